import { isIP } from 'node:net'
import { limits } from '../base/limits.ts'
import { memberUriScheme, oids, parseMemberUri } from '../x509/index.ts'
import * as der from './der.ts'
import { PkiError } from './pki-error.ts'

export interface AlternativeNames {
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly string[]
  readonly uris: readonly string[]
}

/** @source RFC 5280 appendix A: ub-common-name. */
const commonNameLengthMax = 64

/** What would make two names look alike, or one look like another: controls, invisible and direction-changing marks. */
const deceptive = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u

/** @param commonName empty: the subject is empty. @throws PkiError */
export function subjectName(commonName: string): der.Der {
  if (commonName === '') return der.sequence()
  if (
    [...commonName].length > commonNameLengthMax ||
    deceptive.test(commonName) ||
    !commonName.isWellFormed() ||
    commonName.trim() !== commonName
  ) {
    throw new PkiError(
      `common name must be 1 to ${commonNameLengthMax} printable characters without spaces around them`,
    )
  }
  return der.sequence(der.set(der.sequence(der.oid(oids.commonName), der.utf8String(commonName))))
}

/** GeneralNames. @throws PkiError naming what is not a name, or that there are too many. */
export function generalNames({ dnsNames, ipAddresses, uris }: AlternativeNames): der.Der {
  const count = dnsNames.length + ipAddresses.length + uris.length
  if (count > limits.alternativeNamesMax)
    throw new PkiError(`${count} alternative names, which is more than ${limits.alternativeNamesMax}`)
  return der.sequence(
    ...dnsNames.map((name) => der.implicit(2, dnsNameBytes(name))),
    ...uris.map((uri) => der.implicit(6, uriBytes(uri))),
    ...ipAddresses.map((address) => der.implicit(7, ipAddressBytes(address))),
  )
}

const dnsName =
  /^(?=.{1,253}$)(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/i

function dnsNameBytes(name: string): Uint8Array {
  if (!dnsName.test(name) || isIP(name) !== 0) throw new PkiError(`not a DNS name: ${JSON.stringify(name)}`)
  return Buffer.from(name.toLowerCase(), 'latin1')
}

const uriLengthMax = 2048

function uriBytes(uri: string): Uint8Array {
  if (uri.length > uriLengthMax || !URL.canParse(uri) || !/^[\x21-\x7e]+$/.test(uri))
    throw new PkiError(`not a URI: ${JSON.stringify(uri.slice(0, 100))}`)
  // Half a member's name would bind the certificate to nobody.
  if (uri.toLowerCase().startsWith(memberUriScheme) && parseMemberUri(uri) === null)
    throw new PkiError(`not a member's URI: ${JSON.stringify(uri)} (leasehold://<cluster>/<member>)`)
  return Buffer.from(uri, 'latin1')
}

function ipAddressBytes(address: string): Uint8Array {
  const family = isIP(address)
  if (family === 4) return Uint8Array.from(address.split('.'), Number)
  if (family !== 6 || address.includes('%')) throw new PkiError(`not an IP address: ${JSON.stringify(address)}`)
  // The URL parser brings every spelling, also the one with an IPv4 tail, into groups of hexadecimal digits.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = canonical.split('::')
  const headGroups = head === '' ? [] : head.split(':')
  const tailGroups = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array<string>(8 - headGroups.length - tailGroups.length).fill('0')
  const bytes = Buffer.alloc(16)
  for (const [i, group] of [...headGroups, ...zeros, ...tailGroups].entries()) {
    bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * i)
  }
  return bytes
}
