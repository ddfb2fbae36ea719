import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import { PkiError } from './pki-error.ts'

export const profileNames = ['member', 'client', 'operator', 'proxy'] as const
export type ProfileName = (typeof profileNames)[number]

const validity = { validityDays: z.int().min(1), validityDaysMax: z.int().min(1) }

const isOrdered = ({ validityDays, validityDaysMax }: { validityDays: number; validityDaysMax: number }) =>
  validityDays <= validityDaysMax
const unordered = { message: 'validityDays is more than validityDaysMax' }

const authoritySchema = z
  .strictObject({ ...validity, validityDaysMax: z.int().min(1).max(7300), pathLength: z.int().min(0).max(1) })
  .refine(isOrdered, unordered)

const profileSchema = z
  .strictObject({
    ...validity,
    validityDaysMax: z.int().min(1).max(3650),
    extendedKeyUsage: z.array(z.enum(['serverAuth', 'clientAuth'])).min(1),
    commonName: z.enum(['required', 'optional']),
    names: z.enum(['required', 'optional']),
    allowedNames: z.array(z.enum(['dns', 'ip', 'uri'])),
    memberUri: z.enum(['allowed', 'refused']),
  })
  .refine(isOrdered, unordered)

const profilesSchema = z.strictObject({
  authorities: z.strictObject({ root: authoritySchema, parent: authoritySchema, intermediate: authoritySchema }),
  certificates: z.strictObject({
    member: profileSchema,
    client: profileSchema,
    operator: profileSchema,
    proxy: profileSchema,
  } satisfies Record<ProfileName, unknown>),
})

export type Profile = z.infer<typeof profileSchema>
export type AuthorityProfile = z.infer<typeof authoritySchema>
export type AuthorityKind = 'root' | 'parent' | 'intermediate'
export interface Profiles {
  readonly authorities: Readonly<Record<AuthorityKind, AuthorityProfile>>
  readonly certificates: Readonly<Record<ProfileName, Profile>>
}

/** The profiles that come with the package. */
export const shippedProfilesFile = fileURLToPath(new URL('../../pki/profiles.yaml', import.meta.url))

/** @throws PkiError naming those that there are. */
export function profileNamed(name: string): ProfileName {
  const known = profileNames.find((each) => each === name)
  if (known === undefined) throw new PkiError(`unknown profile ${name}: use one of ${profileNames.join(', ')}`)
  return known
}

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

/** @throws PkiError unless `days` is a whole number from 1 to `max`. */
export function checkDays(days: number, max: number): void {
  if (!Number.isSafeInteger(days) || days < 1 || days > max)
    throw new PkiError(`validity must be 1 to ${max} days, not ${days}`)
}
