import { z } from 'zod'
import { revocationReasons } from '../x509/index.ts'
import { profileNames } from './profile.ts'

/** As `serialFromText` writes it: no leading zero bytes. */
const serial = z.string().regex(/^(?:00|(?!00)(?:[0-9a-f]{2})+)$/)
const time = z.iso.datetime()
const generation = z.int().min(1)
const reasons = revocationReasons.filter((each) => each !== null)

/** Key pairs of an authority are numbered from 1. */
const authoritySchema = z.strictObject({
  event: z.literal('authority'),
  at: time,
  generation,
  kind: z.enum(['root', 'parent', 'intermediate']),
  subject: z.string(),
  serial,
  notAfter: time,
  /** SHA-256 of the certificate. */
  fingerprint: z.string(),
})

const issuedSchema = z.strictObject({
  event: z.literal('issued'),
  at: time,
  serial,
  /** Of the authority's key that signed it. */
  generation,
  /** `intermediate`: an authority below this one. */
  profile: z.enum([...profileNames, 'intermediate']),
  /** The common name. */
  subject: z.string(),
  dnsNames: z.array(z.string()),
  ipAddresses: z.array(z.string()),
  uris: z.array(z.string()),
  /** As asked for; the authority's own end may have cut it. */
  days: z.int().min(1),
  notAfter: time,
  fingerprint: z.string(),
  /** Serial of the certificate whose place it takes. */
  replaces: serial.nullable(),
})

const revokedSchema = z.strictObject({
  event: z.literal('revoked'),
  at: time,
  serial,
  generation,
  reason: z.enum(reasons),
  /** Of the certificate: a list need not name it for ever. Null: not known. */
  notAfter: time.nullable(),
})

const listSchema = z.strictObject({
  event: z.literal('crl'),
  at: time,
  generation,
  number: z.int().min(1),
  nextUpdate: time,
})

/** `begin`: the next generation is trusted, too; `switch`: it issues; `finish`: only it is trusted; `abort`: it never was. */
const rotationSchema = z.strictObject({
  event: z.literal('rotation'),
  at: time,
  step: z.enum(['begin', 'switch', 'finish', 'abort']),
  /** The next one's. */
  generation,
})

/** The index was put together again from what was left. */
const reindexedSchema = z.strictObject({ event: z.literal('reindexed'), at: time, damagedIndex: z.string().nullable() })

/** One line of index.jsonl. */
export const indexEntrySchema = z.discriminatedUnion('event', [
  authoritySchema,
  issuedSchema,
  revokedSchema,
  listSchema,
  rotationSchema,
  reindexedSchema,
])

export type IndexEntry = z.infer<typeof indexEntrySchema>
export type AuthorityEntry = z.infer<typeof authoritySchema>
export type IssuedEntry = z.infer<typeof issuedSchema>
export type RevokedEntry = z.infer<typeof revokedSchema>
