import { lookup, reverse } from 'node:dns/promises'
import type { Resolver } from './remote-address.ts'

/** The system's own: its hosts file and its name servers. What cannot be looked up has no addresses. */
export const systemResolver: Resolver = {
  addressesOf: (name) =>
    lookup(name, { all: true, verbatim: true }).then(
      (found) => found.map(({ address }) => address),
      () => [],
    ),
  namesOf: (address) => reverse(address).catch(() => []),
}
