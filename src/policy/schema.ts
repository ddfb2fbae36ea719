import { z } from 'zod'
import { limits } from '../base/limits.ts'

/** What one can do to keys, and what methods are good for: as in the scope of a token. */
export const rangeVerbs = ['read', 'write'] as const
export const methodVerbs = ['monitor', 'backup', 'operate', 'audit', 'admin'] as const
export type RangeVerb = (typeof rangeVerbs)[number]
export type MethodVerb = (typeof methodVerbs)[number]
export type Verb = RangeVerb | MethodVerb

export const logins = ['certificate', 'password'] as const
export type Login = (typeof logins)[number]

const list = <T extends z.ZodType>(of: T) => z.array(of).max(limits.policyListMax)

const name = z.string().min(1)
const comment = z.string().optional().describe('For people; has no effect.')

/** `parseRangeSpec` says what goes together. */
const range = {
  key: z.string().optional().describe('One key.'),
  prefix: z.string().optional().describe('All keys that begin so. "/app" has /apple, too: end it with a slash.'),
  from: z.string().optional().describe('All keys from this one on, before "to".'),
  to: z.string().optional().describe('The first key that is not in the range. Without it the range has no end.'),
  all: z.literal(true).optional().describe('All keys there are.'),
  encoding: z.enum(['utf8', 'base64']).optional().describe('Of the keys above; utf8 unless it is said.'),
}
const oneRange = { oneOf: ['key', 'prefix', 'from', 'all'].map((form) => ({ required: [form] })) }

const permission = z
  .strictObject({
    allow: list(z.enum(rangeVerbs)).min(1).describe('What holders of the role may do to these keys.'),
    ...range,
    comment,
  })
  .meta(oneRange)

const role = z.strictObject({
  name: name.describe('Not root, and not with leasehold: at its beginning: those roles are built in.'),
  comment,
  extends: list(name).optional().describe('Roles of this file whose permissions it has as well.'),
  permissions: list(permission).optional(),
})

const roles = list(name).optional().describe('Roles of this file, or built-in ones.')

const user = z.strictObject({
  name: name.describe('As its certificate or token says it.'),
  comment,
  roles,
  login: z
    .enum(logins)
    .describe('certificate: by its name, or a token; it has no password. password: with one, which is set elsewhere.'),
})

const group = z.strictObject({
  name: name.describe('Of users whom an outside issuer of tokens knows, with the prefix that members give such names.'),
  comment,
  roles,
})

const policyCase = z
  .strictObject({
    comment,
    user: name.optional(),
    role: name.optional(),
    group: name.optional(),
    verb: z.enum([...rangeVerbs, ...methodVerbs]).describe('read and write need keys, the others have none.'),
    ...range,
    expect: z.enum(['allow', 'deny']),
  })
  .meta({ oneOf: ['user', 'role', 'group'].map((who) => ({ required: [who] })) })

export const policySchema = z
  .strictObject({
    version: z.literal(1),
    comment,
    roles: list(role).optional(),
    users: list(user).optional(),
    groups: list(group).optional(),
    cases: list(policyCase).optional().describe('Tests: what must be allowed, and what must not.'),
  })
  .meta({ title: 'Policy of leasehold', description: 'Who may do what: see policies/README.md.' })

export type PolicyDocument = z.infer<typeof policySchema>
export type RangeFields = z.infer<typeof permission>

/** The schema for editors: what the program itself checks beyond it is written in `parse-policy.ts`. */
export const policyJsonSchema = (): object => z.toJSONSchema(policySchema, { target: 'draft-7' })
