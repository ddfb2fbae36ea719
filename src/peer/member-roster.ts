import { formatId, type MemberId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { PeerMembers } from './member-list.ts'

const reportedMax = 1000

/**
 * Whom to talk to: the members of our own applied configuration, and those that one of them vouches for.
 *
 * The second kind matters to a member that was away while the cluster changed: the new leader may be a member that it has
 * never heard of, and it cannot learn of it from the log as long as it refuses to listen to it.
 */
export class MemberRoster {
  readonly #self: MemberId
  readonly #scheme: string
  readonly #log: Log
  #own: PeerMembers = new Map()
  readonly #vouched = new Map<MemberId, PeerMembers>()
  /** Ids are never used again, so what was removed stays out, whatever a member that lags behind may say. */
  readonly #removed = new Set<MemberId>()
  /** The roster is asked often; an operator wants to read of a bad URL once. */
  readonly #reported = new Set<string>()

  /** @param scheme of all usable peer URLs, with the colon. */
  constructor(self: MemberId, scheme: string, log: Log) {
    this.#self = self
    this.#scheme = scheme
    this.#log = log
  }

  /** What this member itself knows, and tells the others. */
  get own(): PeerMembers {
    return this.#own
  }

  setOwn(members: PeerMembers): void {
    for (const member of this.#own.keys()) if (!members.has(member)) this.#removed.add(member)
    for (const member of members.keys()) this.#removed.delete(member)
    for (const member of this.#vouched.keys()) if (!members.has(member)) this.#vouched.delete(member)
    this.#own = new Map(members)
  }

  /**
   * What `by` says about the cluster. Counts only while `by` is in our own configuration: trust does not travel further.
   *
   * @returns whether that may have changed the outcome of `others`.
   */
  vouch(by: MemberId, members: PeerMembers): boolean {
    if (!this.#own.has(by)) return false
    this.#vouched.set(by, members)
    return true
  }

  /** Everyone to talk to, this member excepted, with at least one usable URL each. */
  others(): Map<MemberId, URL[]> {
    const others = new Map<MemberId, URL[]>()
    for (const [member, { peerUrls }] of this.#own) this.#add(others, member, peerUrls)
    for (const members of this.#vouched.values()) {
      for (const [member, { peerUrls }] of members) {
        if (!this.#own.has(member) && !this.#removed.has(member)) this.#add(others, member, peerUrls)
      }
    }
    return others
  }

  /** What a member is called; empty if that is not known. */
  nameOf(member: MemberId): string {
    for (const members of [this.#own, ...this.#vouched.values()]) {
      const name = members.get(member)?.name ?? ''
      if (name !== '') return name
    }
    return ''
  }

  #add(others: Map<MemberId, URL[]>, member: MemberId, peerUrls: readonly string[]): void {
    if (member === this.#self || others.has(member)) return
    const urls: URL[] = []
    for (const text of peerUrls) {
      const url = URL.canParse(text) ? new URL(text) : null
      if (url !== null && url.protocol === this.#scheme && url.hostname !== '') urls.push(url)
      else if (!this.#reported.has(text) && this.#reported.size < reportedMax) {
        this.#reported.add(text)
        const reason = `not a valid ${this.#scheme}// URL`
        this.#log.error('unusable peer URL', { member: formatId(member), url: text, reason })
      }
    }
    if (urls.length > 0) others.set(member, urls)
  }
}
