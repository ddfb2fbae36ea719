import { type AlternativeName, alternativeNamesOf } from './alternative-name.ts'
import { contextTag, DerValue, tags } from './der-value.ts'
import { oids } from './oids.ts'

/** Bits of the key usage extension, by number. @source RFC 5280 section 4.2.1.3. */
export const keyUsageNames = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const
export type KeyUsage = (typeof keyUsageNames)[number]

/** One extension, still encoded. */
export interface RawExtension {
  readonly id: string
  readonly critical: boolean
  readonly value: Buffer
}

/** The extensions of a certificate or of a request for one. Null: absent. */
export interface Extensions {
  readonly basicConstraints: { readonly ca: boolean; readonly pathLength: number | null } | null
  readonly keyUsage: readonly KeyUsage[] | null
  /** Dotted object identifiers. */
  readonly extendedKeyUsage: readonly string[] | null
  readonly alternativeNames: readonly AlternativeName[]
  readonly subjectKeyId: Buffer | null
  readonly authorityKeyId: Buffer | null
  /** All of them, in order, known or not. */
  readonly raw: readonly RawExtension[]
  /** Critical ones that this code does not understand: what carries them is not to be accepted. */
  readonly unknownCritical: readonly string[]
}

const known: ReadonlySet<string> = new Set([
  oids.basicConstraints,
  oids.keyUsage,
  oids.extendedKeyUsage,
  oids.subjectAltName,
  oids.subjectKeyIdentifier,
  oids.authorityKeyIdentifier,
])

/** @param list SEQUENCE OF Extension; null: there are none. @throws X509Error if one is malformed or there twice. */
export function extensionsOf(list: DerValue | null): Extensions {
  const raw = list === null ? [] : rawExtensionsOf(list)
  const byId = new Map(raw.map((each) => [each.id, each.value]))
  const read = <T>(id: string, parse: (value: DerValue) => T): T | null => {
    const bytes = byId.get(id)
    return bytes === undefined ? null : parse(DerValue.of(bytes))
  }
  return {
    basicConstraints: read(oids.basicConstraints, (value) => {
      const items = value.items()
      const ca = items.optional(tags.boolean)?.boolean() ?? false
      const pathLength = items.optional(tags.integer)?.smallInteger() ?? null
      items.end()
      return { ca, pathLength }
    }),
    keyUsage: read(oids.keyUsage, (value) => value.bits().flatMap((bit) => keyUsageNames[bit] ?? [])),
    extendedKeyUsage: read(oids.extendedKeyUsage, (value) => [...value.items()].map((each) => each.oid())),
    alternativeNames: read(oids.subjectAltName, (value) => alternativeNamesOf(value.items())) ?? [],
    subjectKeyId: read(oids.subjectKeyIdentifier, (value) => value.expect(tags.octetString).content),
    authorityKeyId: read(oids.authorityKeyIdentifier, keyIdOf),
    raw,
    unknownCritical: raw.filter(({ id, critical }) => critical && !known.has(id)).map(({ id }) => id),
  }
}

/** The key identifier of an authority key identifier, if it has one. */
export const keyIdOf = (value: DerValue): Buffer | null => value.items().optional(contextTag(0, false))?.content ?? null

/** @throws X509Error if one is malformed or there twice: readers would differ on which counts. */
export function rawExtensionsOf(list: DerValue): RawExtension[] {
  const seen = new Set<string>()
  return [...list.items()].map((each) => {
    const items = each.items()
    const id = items.next().oid()
    const critical = items.optional(tags.boolean)?.boolean() ?? false
    const value = items.next(tags.octetString).content
    items.end()
    if (seen.has(id)) throw each.damage(`extension ${id} is there twice`)
    seen.add(id)
    return { id, critical, value }
  })
}
