import { type DerValue, tags } from './der-value.ts'
import { attributeNames, oids } from './oids.ts'
import { printable, textOf } from './text.ts'

export interface NameAttribute {
  /** Dotted object identifier. */
  readonly type: string
  /** As it stands; null if its bytes are not text of the type that they claim. */
  readonly value: string | null
  readonly bytes: Buffer
}

/** Subject or issuer. */
export interface DistinguishedName {
  /** What is compared: one name is another if their bytes are the same. */
  readonly der: Buffer
  /** In the order of the certificate. */
  readonly attributes: readonly NameAttribute[]
}

export function nameOf(value: DerValue): DistinguishedName {
  const attributes: NameAttribute[] = []
  for (const set of value.items()) {
    for (const pair of set.items(tags.set)) {
      const items = pair.items()
      const type = items.next().oid()
      const text = items.next()
      items.end()
      attributes.push({ type, value: textOf(text), bytes: text.content })
    }
  }
  return { der: value.der, attributes }
}

export const sameName = (a: DistinguishedName, b: DistinguishedName): boolean => a.der.equals(b.der)

/** The common names as they stand; one that is not text counts as null. There should be one at most. */
export const commonNamesOf = (name: DistinguishedName): (string | null)[] =>
  name.attributes.filter(({ type }) => type === oids.commonName).map(({ value }) => value)

/** In one printable line, in the order of the certificate; empty for an empty name. */
export function showName({ attributes }: DistinguishedName): string {
  return attributes
    .map(({ type, value, bytes }) => {
      const text = value === null ? `#${bytes.toString('hex')}` : printable(value).replace(/[,+"<>;=]/g, '\\$&')
      return `${attributeNames.get(type) ?? type}=${text}`
    })
    .join(', ')
}
