import { createHash } from 'node:crypto'
import { type Certificate, listProblem, type RevocationList, showName } from '../x509/index.ts'

/** What the lists say of one authority, for metrics and the log. */
export interface ListStatus {
  readonly issuer: string
  readonly number: bigint | null
  readonly thisUpdateMs: number
  readonly nextUpdateMs: number | null
}

/** A subject and its key: what stays when an authority's certificate is issued anew. */
const identityOf = ({ subject, publicKey }: Certificate): string =>
  createHash('sha256')
    .update(subject.der)
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')

/** Revocation lists, each known to be the list of one trusted authority. */
export class Revocations {
  readonly #lists: ReadonlyMap<string, RevocationList>

  private constructor(lists: ReadonlyMap<string, RevocationList>) {
    this.#lists = lists
  }

  /**
   * Of several lists of one authority the newest counts. A list never gives way to an older one: whoever can put back an
   * old file must not bring a revoked certificate back to life.
   *
   * @param authorities who may sign lists. @param before the lists in use until now.
   * @returns the reason in words if a list is none of theirs or is older than the one in use.
   */
  static from(
    lists: readonly RevocationList[],
    authorities: readonly Certificate[],
    before: Revocations | null,
  ): Revocations | string {
    const byAuthority = new Map<string, RevocationList>()
    for (const list of lists) {
      const owner = authorities.find((authority) => listProblem(list, authority) === null)
      if (owner === undefined) return `revocation list of ${showName(list.issuer)}: ${notOurs(list, authorities)}`
      const id = identityOf(owner)
      const other = byAuthority.get(id)
      if (other === undefined || isOlder(other, list)) byAuthority.set(id, list)
    }
    for (const [id, list] of byAuthority) {
      const inUse = before === null ? undefined : before.#lists.get(id)
      if (inUse !== undefined && isOlder(list, inUse)) {
        return `revocation list of ${showName(list.issuer)}: ${order(list)} is older than ${order(inUse)}, which is in use`
      }
    }
    return new Revocations(byAuthority)
  }

  /** Why `certificate` is not to be taken, or null: it is revoked, or nobody can tell. */
  problemOf(certificate: Certificate, issuer: Certificate, nowMs: number, graceMs: number): string | null {
    const list = this.#lists.get(identityOf(issuer))
    if (list === undefined) return `no revocation list of ${showName(issuer.subject)}`
    const entry = list.revoked.get(certificate.serial)
    if (entry !== undefined) return `certificate serial ${certificate.serial} revoked (${entry.reason})`
    if (list.nextUpdateMs !== null && nowMs > list.nextUpdateMs + graceMs) {
      return `the revocation list of ${showName(issuer.subject)} is stale since ${new Date(list.nextUpdateMs).toISOString()}`
    }
    return null
  }

  status(): ListStatus[] {
    return [...this.#lists.values()].map(({ issuer, number, thisUpdateMs, nextUpdateMs }) => ({
      issuer: showName(issuer),
      number,
      thisUpdateMs,
      nextUpdateMs,
    }))
  }
}

/** By number where both have one; lists of version 1 have an order only by their time. */
function isOlder(a: RevocationList, b: RevocationList): boolean {
  if (a.number !== null && b.number !== null) return a.number < b.number
  return a.thisUpdateMs < b.thisUpdateMs
}

const order = ({ number, thisUpdateMs }: RevocationList): string =>
  number === null ? `of ${new Date(thisUpdateMs).toISOString()}` : `number ${number}`

/** The most telling of the reasons: that of the authority whose name it bears. */
function notOurs(list: RevocationList, authorities: readonly Certificate[]): string {
  const named = authorities.find(({ subject }) => subject.der.equals(list.issuer.der))
  const reason = named === undefined ? null : listProblem(list, named)
  return reason ?? 'its issuer is none of the trusted authorities'
}
