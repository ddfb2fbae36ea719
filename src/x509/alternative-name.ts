import type { DerItems } from './der-value.ts'
import { contextTag } from './der-value.ts'
import { type DistinguishedName, nameOf, showName } from './distinguished-name.ts'
import { printable } from './text.ts'

/** A name of the subject beside its distinguished name. Texts are as they stand: one character a byte. */
export type AlternativeName =
  | { readonly kind: 'dns' | 'email' | 'uri'; readonly value: string }
  /** As Node writes addresses: 127.0.0.1, 2001:db8::5. */
  | { readonly kind: 'ip'; readonly value: string }
  | { readonly kind: 'directory'; readonly value: DistinguishedName }
  /** The kinds that nobody uses in TLS. `tag` is the choice's number. */
  | { readonly kind: 'other'; readonly tag: number; readonly value: Buffer }

const texts = new Map([
  [contextTag(1, false), 'email'],
  [contextTag(2, false), 'dns'],
  [contextTag(6, false), 'uri'],
] as const)

/** @source RFC 5280 section 4.2.1.6. */
export function alternativeNamesOf(items: DerItems): AlternativeName[] {
  const names: AlternativeName[] = []
  for (const value of items) {
    const kind = texts.get(value.tag as never)
    if (kind !== undefined) names.push({ kind, value: value.content.toString('latin1') })
    else if (value.tag === contextTag(7, false)) {
      const address = addressOf(value.content)
      if (address === null) throw value.damage(`an IP address of ${value.content.length} bytes`)
      names.push({ kind: 'ip', value: address })
    } else if (value.tag === contextTag(4, true))
      names.push({ kind: 'directory', value: nameOf(value.inner(contextTag(4, true))) })
    else if (value.tag >= 0x80 && value.tag < 0xc0)
      names.push({ kind: 'other', tag: value.tag & 0x1f, value: value.content })
    else throw value.damage('a malformed alternative name')
  }
  return names
}

function addressOf(bytes: Buffer): string | null {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) return null
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16))
  // The URL parser shortens as RFC 5952 says.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

const labels = { dns: 'DNS', email: 'email', uri: 'URI', ip: 'IP' } as const

export function showAlternativeName(name: AlternativeName): string {
  if (name.kind === 'directory') return `directory:${showName(name.value)}`
  if (name.kind === 'other') return `[${name.tag}]:#${name.value.toString('hex')}`
  return `${labels[name.kind]}:${printable(name.value)}`
}
