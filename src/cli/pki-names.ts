import type { AlternativeNames } from '../pki/index.ts'
import { memberUri } from '../x509/index.ts'
import { CommandError } from './failure.ts'

/** Options that say who a certificate is for. */
export interface NameOptions {
  readonly name: string
  readonly commonName?: string
  readonly dns: readonly string[]
  readonly ip: readonly string[]
  readonly uri: readonly string[]
  readonly memberOf?: string
}

/** @throws CommandError if the member's name or cluster cannot stand in a URI. */
export function alternativeNames(options: NameOptions): AlternativeNames {
  const { dns, ip, uri, memberOf } = options
  if (memberOf === undefined) return { dnsNames: dns, ipAddresses: ip, uris: uri }
  const bound = memberUri({ cluster: memberOf, member: options.commonName ?? options.name })
  if (bound === null)
    throw new CommandError('--member-of: cluster and common name must be letters, digits, dot, dash, underscore, tilde')
  return { dnsNames: dns, ipAddresses: ip, uris: [...uri, bound] }
}
