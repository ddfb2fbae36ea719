import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import { PkiError } from './pki-error.ts'

export const profileNames = ['member', 'client', 'operator', 'proxy'] as const
export type ProfileName = (typeof profileNames)[number]

const profileSchema = z.strictObject({
  extendedKeyUsage: z.array(z.enum(['serverAuth', 'clientAuth'])).min(1),
  commonName: z.enum(['required', 'optional']),
  names: z.enum(['required', 'optional']),
  validityDays: z.int().min(1),
  validityDaysMax: z.int().min(1).max(3650),
})
const profilesSchema = z.strictObject({
  member: profileSchema,
  client: profileSchema,
  operator: profileSchema,
  proxy: profileSchema,
} satisfies Record<ProfileName, unknown>)

export type Profile = z.infer<typeof profileSchema>
export type Profiles = Readonly<Record<ProfileName, Profile>>

/** The profiles that come with the package. */
export const shippedProfilesFile = fileURLToPath(new URL('../../pki/profiles.yaml', import.meta.url))

export const isProfileName = (name: string): name is ProfileName => (profileNames as readonly string[]).includes(name)

/** @throws PkiError naming the file and the first thing that is wrong in it. */
export function loadProfiles(file: string = shippedProfilesFile): Profiles {
  let document: unknown
  try {
    document = parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new PkiError(`${file}: ${(error as Error).message.split('\n')[0]}`, { cause: error })
  }
  const result = profilesSchema.safeParse(document)
  if (!result.success) {
    const issue = result.error.issues[0]!
    throw new PkiError(`${file}: ${issue.path.join('.')}: ${issue.message}`)
  }
  return result.data
}
