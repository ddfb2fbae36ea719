import type { LeaseChange } from '../apply/outcome.ts'
import { type LeaseId, leaseId, type MemberId, noMember, type Term } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import { EtcdError } from '../errors.ts'
import { checkpointed, checkpointsDue, clearing } from '../lease/checkpoints.ts'
import { encodeExpiries } from '../lease/expiry-list.ts'
import {
  createLessor,
  demote,
  due,
  found,
  granted,
  type Lessor,
  remaining,
  renew,
  revoked,
  spread,
} from '../lease/lessor.ts'
import { getLease, leasesAfter } from '../lease/records.ts'
import type { ReadView } from '../mvcc/view.ts'
import type { LeaseTimes } from '../service/member.ts'
import { Command_Kind, LeaseCheckpoints } from '../wire/gen/internal.ts'
import {
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from '../wire/gen/rpc.ts'
import { type Answer, LeaderQuestions } from './leader-questions.ts'
import { LeaseWaits } from './lease-waits.ts'
import type { PeerCallDone, PeerMethod } from './ports.ts'

export interface LeaseKeeperPorts {
  nowMs(): number
  /** Runs `work` after what else waits has had its turn. */
  soon(work: () => void): void
  self(): MemberId
  leader(): MemberId
  read<T>(work: (view: ReadView) => T): T
  /** Confirms that this member still leads and has applied all that was acknowledged before. */
  barrier(done: (error: Error | null) => void): void
  /** Asks the other member, which leads as far as we know. */
  call(to: MemberId, method: PeerMethod, request: Uint8Array, done: PeerCallDone): void
  /** Appends a command as leader; false if this member does not lead. Never forwarded to another leader. */
  propose(kind: Command_Kind, request: Uint8Array): boolean
}

/**
 * TTL leases on this member: as leader it keeps their time, as any member it answers clients by asking the leader.
 *
 * The leader takes the office up only when it has applied an entry of its own term: by then every revocation and
 * checkpoint that an earlier leader got into the log has happened here, so no renewal can be confirmed for a lease that is
 * about to go. A deposed leader's own revocations carry its old term and are never forwarded, so they cannot commit.
 */
export class LeaseKeeper {
  readonly #ports: LeaseKeeperPorts
  readonly #lessor: Lessor
  readonly #extendMs: number
  readonly #timeoutMs: number
  readonly #questions: LeaderQuestions
  /** Renewals that wait for a lease's revocation, or until its checkpoint is taken back. */
  readonly #waits = new LeaseWaits()
  /** Questions that are on their way to a leader, and what gives them up. */
  readonly #asked = new Map<(error: Error | null) => void, MemberId>()
  /** In which this member leads; null: it does not. */
  #term: Term | null = null
  #expired = 0
  /** Counts the times in office, to tell a callback of an earlier one. */
  #office = 0
  #state: 'out' | 'entering' | 'primary' = 'out'

  constructor(
    ports: LeaseKeeperPorts,
    options: { readonly extendMs: number; readonly timeoutMs: number; readonly checkpointMs: number | null },
  ) {
    this.#ports = ports
    this.#extendMs = options.extendMs
    this.#timeoutMs = options.timeoutMs
    this.#lessor = createLessor({ checkpointMs: options.checkpointMs })
    this.#questions = new LeaderQuestions({
      nowMs: () => ports.nowMs(),
      timeoutMs: options.timeoutMs,
      leaderIsKnown: () => ports.leader() !== noMember,
      canAsk: () => this.#isPrimary || (ports.leader() !== noMember && ports.leader() !== ports.self()),
    })
  }

  /** @param term in which this member leads now; null: it does not. */
  leads(term: Term | null): void {
    if (term === this.#term) return
    this.#term = term
    this.#leaveOffice()
  }

  /** @param term of an entry that has been applied here. */
  applied(term: Term): void {
    if (term === this.#term && this.#state === 'out') this.#takeOffice()
  }

  #takeOffice(): void {
    this.#office++
    this.#state = 'entering'
    demote(this.#lessor)
    this.#load(null, this.#office)
  }

  /** In steps, so that a hundred thousand leases do not keep a new leader from its heartbeats. Questions wait. */
  #load(last: LeaseId | null, office: number): void {
    if (this.#state !== 'entering' || this.#office !== office) return
    const leases = this.#ports.read((view) => leasesAfter(view, last, limits.leaseLoadBatchMax))
    found(this.#lessor, this.#ports.nowMs(), leases, this.#extendMs)
    if (leases.length === limits.leaseLoadBatchMax) {
      const { id } = leases[leases.length - 1]!
      return this.#ports.soon(() => this.#load(id, office))
    }
    spread(this.#lessor)
    this.#state = 'primary'
    this.#questions.retry()
  }

  #leaveOffice(): void {
    if (this.#state === 'out') return
    this.#state = 'out'
    demote(this.#lessor)
    this.#waits.failAll(new EtcdError('leaderChanged'))
  }

  /** Revocations that this member has proposed because the time was up. */
  get expired(): number {
    return this.#expired
  }

  get #isPrimary(): boolean {
    return this.#state === 'primary'
  }

  changed(changes: readonly LeaseChange[]): void {
    if (this.#state === 'out') return
    const now = this.#ports.nowMs()
    for (const change of changes) {
      if (change.kind === 'granted') granted(this.#lessor, change.id, change.ttlSeconds, now)
      else if (change.kind === 'revoked') {
        revoked(this.#lessor, change.id)
        this.#waits.revoked(change.id)
      } else {
        if (checkpointed(this.#lessor, change)) this.#clear(change.id)
        if (change.remainingSeconds === 0) this.#waits.cleared(change.id)
      }
    }
    if (this.#isPrimary) this.#revokeDue(now)
  }

  tick(): void {
    const now = this.#ports.nowMs()
    if (this.#isPrimary) {
      this.#revokeDue(now)
      this.#writeCheckpoints(now)
      this.#waits.expire(now)
    }
    this.#giveUpFormerLeader()
    this.#questions.tick()
  }

  renew(id: LeaseId, done: (error: Error | null, ttlSeconds: number) => void): void {
    this.#questions.ask<number>(
      (answer) => {
        if (this.#isPrimary) return this.#renewHere(id, answer)
        const request = LeaseKeepAliveRequest.encode({ ID: id }).finish()
        this.#askLeader('leaseRenew', request, (bytes) => Number(LeaseKeepAliveResponse.decode(bytes).TTL), answer)
      },
      (error, ttlSeconds) => done(error, ttlSeconds ?? 0),
    )
  }

  times(id: LeaseId, done: Answer<LeaseTimes>): void {
    this.#questions.ask<LeaseTimes>((answer) => {
      if (this.#isPrimary) return this.#timesHere(id, answer)
      const request = LeaseTimeToLiveRequest.encode({ ID: id, keys: false }).finish()
      const decode = (bytes: Uint8Array): LeaseTimes => {
        const { TTL, grantedTTL } = LeaseTimeToLiveResponse.decode(bytes)
        return { ttlSeconds: Number(TTL), grantedTtlSeconds: Number(grantedTTL) }
      }
      this.#askLeader('leaseTimeToLive', request, decode, answer)
    }, done)
  }

  expiries(done: Answer<Uint8Array>): void {
    this.#questions.ask<Uint8Array>((answer) => {
      if (this.#isPrimary) this.#expiriesHere(answer)
      else this.#askLeader('leaseExpiries', new Uint8Array(0), (bytes) => bytes, answer)
    }, done)
  }

  /** Another member asks. It retries by itself, so that a non-leader may refuse at once. */
  answer(method: PeerMethod, request: Uint8Array, done: PeerCallDone): void {
    if (!this.#isPrimary) return done(new EtcdError('notLeader'), null)
    switch (method) {
      case 'leaseRenew': {
        const id = LeaseKeepAliveRequest.decode(request).ID
        return this.#renewHere(leaseId(id), (error, ttl) => {
          if (error || ttl === null) return done(error, null)
          done(null, LeaseKeepAliveResponse.encode({ header: undefined, ID: id, TTL: BigInt(ttl) }).finish())
        })
      }
      case 'leaseTimeToLive': {
        const id = LeaseTimeToLiveRequest.decode(request).ID
        return this.#timesHere(leaseId(id), (error, times) => {
          if (error || !times) return done(error, null)
          const TTL = BigInt(times.ttlSeconds)
          const grantedTTL = BigInt(times.grantedTtlSeconds)
          done(null, LeaseTimeToLiveResponse.encode({ header: undefined, ID: id, TTL, grantedTTL, keys: [] }).finish())
        })
      }
      case 'leaseExpiries':
        return this.#expiriesHere(done)
    }
  }

  failAll(error: Error): void {
    this.#waits.failAll(error)
    this.#questions.failAll(error)
  }

  /** The barrier comes first: a leader that was paused or cut off must find out before it promises anything. */
  #asLeader<T>(done: Answer<T>, answer: () => void): void {
    this.#ports.barrier((error) => {
      if (error) done(error, null)
      else if (!this.#isPrimary) done(new EtcdError('leaderChanged'), null)
      else answer()
    })
  }

  #renewHere(id: LeaseId, done: Answer<number>): void {
    this.#asLeader(done, () => {
      const now = this.#ports.nowMs()
      const deadlineMs = now + this.#timeoutMs
      const renewal = renew(this.#lessor, id, now)
      if (renewal.kind === 'unknown') return done(null, 0)
      if (renewal.kind === 'expired') {
        this.#waits.untilRevoked(id, { deadlineMs, done })
        return this.#revokeDue(now)
      }
      const { ttlSeconds, clear } = renewal
      if (clear === 'no') return done(null, ttlSeconds)
      // Not in the log: asked again on the next tick.
      if (clear === 'needed' && !this.#clear(id)) return done(new EtcdError('leaderChanged'), null)
      this.#waits.untilCleared(id, { deadlineMs, done }, ttlSeconds)
    })
  }

  #timesHere(id: LeaseId, done: Answer<LeaseTimes>): void {
    this.#asLeader(done, () => {
      const lease = this.#ports.read((view) => getLease(view, id))
      if (!lease) return done(null, { ttlSeconds: -1, grantedTtlSeconds: 0 })
      const left = remaining(this.#lessor, id, this.#ports.nowMs())
      done(null, { ttlSeconds: left ?? 0, grantedTtlSeconds: lease.ttlSeconds })
    })
  }

  #expiriesHere(done: Answer<Uint8Array>): void {
    this.#asLeader(done, () => done(null, encodeExpiries(this.#lessor)))
  }

  #revokeDue(nowMs: number): void {
    for (const id of due(this.#lessor, nowMs)) {
      if (!this.#ports.propose(Command_Kind.LEASE_REVOKE, LeaseRevokeRequest.encode({ ID: id }).finish())) break
      this.#expired++
    }
  }

  /** What raft does not take is lost, and so is only the accuracy of the log. */
  #writeCheckpoints(nowMs: number): void {
    const batch = checkpointsDue(this.#lessor, nowMs)
    if (batch.length > 0) this.#proposeCheckpoints(batch)
  }

  #clear(id: LeaseId): boolean {
    if (!this.#proposeCheckpoints([{ id, remainingSeconds: 0 }])) return false
    clearing(this.#lessor, id, this.#ports.nowMs())
    return true
  }

  #proposeCheckpoints(batch: readonly { readonly id: LeaseId; readonly remainingSeconds: number }[]): boolean {
    const checkpoints = batch.map(({ id, remainingSeconds }) => ({ id, remaining_seconds: BigInt(remainingSeconds) }))
    return this.#ports.propose(Command_Kind.LEASE_CHECKPOINT, LeaseCheckpoints.encode({ checkpoints }).finish())
  }

  /** Whatever hinders the leader, or the way to it, may be over, or another leader be known, on the next tick. */
  #askLeader<T>(method: PeerMethod, request: Uint8Array, decode: (bytes: Uint8Array) => T, answer: Answer<T>): void {
    const leader = this.#ports.leader()
    const giveUp = (error: Error | null): void => {
      if (this.#asked.delete(giveUp)) answer(new EtcdError('leaderChanged', { cause: error }), null)
    }
    this.#asked.set(giveUp, leader)
    this.#ports.call(leader, method, request, (error, response) => {
      if (error || !response) giveUp(error)
      else if (this.#asked.delete(giveUp)) answer(null, decode(response))
    })
  }

  /** One that hangs keeps its connections and does not answer; meanwhile a short lease ends at the next one. */
  #giveUpFormerLeader(): void {
    const leader = this.#ports.leader()
    if (leader === noMember) return
    for (const [giveUp, asked] of this.#asked) if (asked !== leader) giveUp(new EtcdError('leaderChanged'))
  }
}
