import { formatId, type MemberId, noMember, type Term } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { EtcdError, type EtcdErrorReason } from '../errors.ts'
import type { MemberInfo } from '../service/member.ts'
import type { Clock, Peers } from './ports.ts'
import { timeoutReason } from './timeout-reason.ts'

export type LeaderListener = (leader: MemberId, term: Term) => void

/** Tells the log, and who listens, of leaders that come and go, and remembers what is to be said of them later. */
export class LeaderChanges {
  readonly #self: MemberId
  readonly #electionTimeoutMs: number
  readonly #clock: Clock
  readonly #log: Log
  readonly #listeners = new Set<LeaderListener>()
  #leader: MemberId = noMember
  #count = 0
  /** When the newest leader appeared. */
  #electedMs: number | null = null

  constructor(info: MemberInfo, clock: Clock, log: Log) {
    this.#self = info.memberId
    this.#electionTimeoutMs = info.electionTimeoutMs
    this.#clock = clock
    this.#log = log
  }

  /** Times that a leader appeared. */
  get count(): number {
    return this.#count
  }

  /** @returns how to unsubscribe. */
  listen(listener: LeaderListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Leader or term are others than before. */
  tell(leader: MemberId, term: Term): void {
    if (leader !== this.#leader) {
      this.#leader = leader
      const fields = { member: formatId(this.#self), leader: formatId(leader), term }
      if (leader === noMember) this.#log.info('lost leader', fields)
      else {
        this.#electedMs = this.#clock.nowMs()
        this.#count++
        this.#log.info('raft leader elected', fields)
      }
    }
    for (const listener of [...this.#listeners]) listener(leader, term)
  }

  /** `done` with null as soon as another member leads, or with an error after an election timeout. */
  untilAnotherLeads(done: (error: Error | null) => void): void {
    const stopListening = this.listen((leader) => {
      if (leader === this.#self || leader === noMember) return
      stopListening()
      late.cancel()
      done(null)
    })
    const late = this.#clock.after(this.#electionTimeoutMs, () => {
      stopListening()
      done(new EtcdError('timeoutLeaderFailure'))
    })
  }

  /** Why a write that was proposed at that time has got no answer. */
  timeoutReason(startMs: number, voters: readonly MemberId[], peers: Pick<Peers, 'connectedMs'>): EtcdErrorReason {
    return timeoutReason(startMs, {
      self: this.#self,
      voters,
      leader: this.#leader,
      electedMs: this.#electedMs,
      electionTimeoutMs: this.#electionTimeoutMs,
      nowMs: this.#clock.nowMs(),
      connectedMs: (member) => peers.connectedMs(member),
    })
  }
}
