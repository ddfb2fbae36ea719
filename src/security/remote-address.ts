import { X509Certificate } from 'node:crypto'
import type { Certificate } from '../x509/index.ts'

/** Names to addresses and back. A name or address that is not known has none: an empty list. */
export interface Resolver {
  addressesOf(name: string): Promise<readonly string[]>
  namesOf(address: string): Promise<readonly string[]>
}

/** Look-ups made for one certificate: hostile ones have thousands of names. */
const lookupsMax = 20

/**
 * Whether a certificate may be used from an address: one of its subject alternative names must be the address, or a name
 * that stands for it. A wildcard `*.example.default.svc` is looked up as `example.default.svc`, the name under which a
 * service lists all its members. Names that the address itself claims (its PTR records) count only if they in turn have the
 * address: who owns an address can claim any name.
 *
 * @returns null, or why not. A certificate without any names is for nobody.
 */
export async function remoteAddressProblem(
  leaf: Certificate,
  remoteAddress: string,
  resolver: Resolver,
): Promise<string | null> {
  const remote = plainAddress(remoteAddress)
  const names = leaf.extensions.alternativeNames
  const addresses = names.flatMap(({ kind, value }) => (kind === 'ip' ? [value as string] : []))
  if (addresses.includes(remote)) return null
  const dnsNames = names.flatMap(({ kind, value }) => (kind === 'dns' ? [value as string] : []))
  if (dnsNames.length === 0) {
    const valid = addresses.length > 0 ? addresses.slice(0, lookupsMax).join(', ') : 'no address'
    return `x509: certificate is valid for ${valid}, not ${remote}`
  }
  const resolvesToRemote = async (name: string): Promise<boolean> =>
    (await resolver.addressesOf(name)).some((address) => plainAddress(address) === remote)
  for (const name of dnsNames.slice(0, lookupsMax)) {
    if (await resolvesToRemote(name.startsWith('*.') ? name.slice(2) : name)) return null
  }
  const certificate = new X509Certificate(leaf.der)
  for (const claimed of (await resolver.namesOf(remote)).slice(0, lookupsMax)) {
    const name = claimed.replace(/\.$/, '')
    if (certificate.checkHost(name, oneLabelOnly) !== undefined && (await resolvesToRemote(name))) return null
  }
  return `tls: "${remote}" does not match any of DNSNames ${JSON.stringify(dnsNames.slice(0, lookupsMax))}`
}

/** A wildcard stands for one label, and the common name is not a host name. */
const oneLabelOnly = { subject: 'never', wildcards: true, partialWildcards: false, multiLabelWildcards: false } as const

/** An IPv4 address that came through an IPv6 socket is that IPv4 address. */
const plainAddress = (address: string): string => address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '')
