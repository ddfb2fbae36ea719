import { createHash } from 'node:crypto'
import { type Certificate, listProblem, type RevocationList, showName } from '../x509/index.ts'
import type { Refusal } from './tls-status.ts'

/** A subject and its key: what stays when an authority's certificate is issued anew. */
const identityOf = ({ subject, publicKey }: Certificate): string =>
  createHash('sha256')
    .update(subject.der)
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')

type Age = Pick<RevocationList, 'number' | 'thisUpdateMs'>

/** Revocation lists, each known to be the list of one trusted authority. */
export class Revocations {
  readonly #lists: ReadonlyMap<string, RevocationList>
  /** The newest list that was ever in use of each authority, whether it is in use now or not. */
  readonly #newest: ReadonlyMap<string, Age>
  /** By the certificate object: asked for every certificate of every connection. */
  readonly #identities = new WeakMap<Certificate, string>()

  private constructor(lists: ReadonlyMap<string, RevocationList>, newest: ReadonlyMap<string, Age>) {
    this.#lists = lists
    this.#newest = newest
  }

  /**
   * Of several lists of one authority the newest counts. A list never gives way to an older one, nor does it after it was
   * taken away for a while: whoever can put back an old file must not bring a revoked certificate back to life.
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
    const newest = new Map(before === null ? [] : before.#newest)
    for (const [id, list] of byAuthority) {
      const known = newest.get(id)
      if (known !== undefined && isOlder(list, known)) {
        return `revocation list of ${showName(list.issuer)}: ${order(list)} is older than ${order(known)}, which is in use`
      }
      newest.set(id, { number: list.number, thisUpdateMs: list.thisUpdateMs })
    }
    return new Revocations(byAuthority, newest)
  }

  /** Why `certificate` is not to be taken, or null: it is revoked, or nobody can tell. */
  problemOf(certificate: Certificate, issuer: Certificate, nowMs: number, graceMs: number): Refusal | null {
    const list = this.#lists.get(this.#identityOf(issuer))
    const name = (): string => showName(issuer.subject)
    if (list === undefined) return { kind: 'no_list', reason: `no revocation list of ${name()}` }
    const entry = list.revoked.get(certificate.serial)
    if (entry !== undefined)
      return { kind: 'revoked', reason: `certificate serial ${certificate.serial} revoked (${entry.reason})` }
    if (list.nextUpdateMs !== null && nowMs > list.nextUpdateMs + graceMs) {
      const since = new Date(list.nextUpdateMs).toISOString()
      return { kind: 'no_list', reason: `the revocation list of ${name()} is stale since ${since}` }
    }
    return null
  }

  #identityOf(certificate: Certificate): string {
    let id = this.#identities.get(certificate)
    if (id === undefined) {
      id = identityOf(certificate)
      this.#identities.set(certificate, id)
    }
    return id
  }

  lists(): (Age & { readonly issuer: string; readonly nextUpdateMs: number | null })[] {
    return [...this.#lists.values()].map(({ issuer, number, thisUpdateMs, nextUpdateMs }) => ({
      issuer: showName(issuer),
      number,
      thisUpdateMs,
      nextUpdateMs,
    }))
  }
}

/** By number where both have one, then by time: lists of version 1 have no other order. */
function isOlder(a: Age, b: Age): boolean {
  if (a.number !== null && b.number !== null && a.number !== b.number) return a.number < b.number
  return a.thisUpdateMs < b.thisUpdateMs
}

const order = ({ number, thisUpdateMs }: Age): string =>
  number === null ? `of ${new Date(thisUpdateMs).toISOString()}` : `number ${number}`

/** The most telling of the reasons: that of the authority whose name it bears. */
function notOurs(list: RevocationList, authorities: readonly Certificate[]): string {
  const named = authorities.find(({ subject }) => subject.der.equals(list.issuer.der))
  const reason = named === undefined ? null : listProblem(list, named)
  return reason ?? 'its issuer is none of the trusted authorities'
}
