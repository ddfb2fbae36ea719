import type { LeaseChange } from '../apply/outcome.ts'
import { type LeaseId, leaseId, type MemberId, noMember } from '../base/ids.ts'
import { EtcdError } from '../errors.ts'
import { createLessor, demote, due, granted, type Lessor, promote, remaining, renew, revoked } from '../lease/lessor.ts'
import { getLease, listLeases } from '../lease/records.ts'
import type { ReadView } from '../mvcc/view.ts'
import type { LeaseTimes } from '../service/member.ts'
import {
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from '../wire/gen/rpc.ts'
import type { PeerCallDone, PeerMethod } from './ports.ts'

export interface LeaseKeeperPorts {
  nowMs(): number
  self(): MemberId
  leader(): MemberId
  read<T>(work: (view: ReadView) => T): T
  /** Confirms that this member still leads and has applied all that was acknowledged before. */
  barrier(done: (error: Error | null) => void): void
  /** Asks the other member, which leads as far as we know. */
  call(to: MemberId, method: PeerMethod, request: Uint8Array, done: PeerCallDone): void
  /** Appends a revocation as leader; false if this member does not lead. Never forwarded to another leader. */
  proposeRevoke(id: LeaseId): boolean
}

type Answer<T> = (error: Error | null, value: T | null) => void

/** A client's question that waits for a leader. */
interface Question {
  readonly deadlineMs: number
  ask(): void
  fail(error: Error): void
}

/**
 * TTL leases on this member: as leader it keeps their time, as any member it answers clients by asking the leader.
 *
 * The leader takes the office up only when it has applied an entry of its own term: by then every revocation that an
 * earlier leader got into the log has happened here, so no renewal can be confirmed for a lease that is about to go.
 * A deposed leader's own revocations carry its old term and are never forwarded, so they cannot commit.
 */
export class LeaseKeeper {
  readonly #ports: LeaseKeeperPorts
  readonly #lessor: Lessor
  readonly #extendMs: number
  readonly #timeoutMs: number
  #primary = false
  #questions: Question[] = []

  constructor(ports: LeaseKeeperPorts, options: { readonly extendMs: number; readonly timeoutMs: number }) {
    this.#ports = ports
    this.#extendMs = options.extendMs
    this.#timeoutMs = options.timeoutMs
    this.#lessor = createLessor()
  }

  takeOffice(): void {
    this.#primary = true
    promote(this.#lessor, this.#ports.nowMs(), this.#ports.read(listLeases), this.#extendMs)
    this.#retryQuestions()
  }

  leaveOffice(): void {
    if (this.#primary) demote(this.#lessor)
    this.#primary = false
  }

  get inOffice(): boolean {
    return this.#primary
  }

  changed(changes: readonly LeaseChange[]): void {
    if (!this.#primary) return
    const now = this.#ports.nowMs()
    for (const change of changes) {
      if (change.kind === 'granted') granted(this.#lessor, change.id, change.ttlSeconds, now)
      else revoked(this.#lessor, change.id)
    }
  }

  tick(): void {
    const now = this.#ports.nowMs()
    if (this.#primary) {
      for (const id of due(this.#lessor, now)) if (!this.#ports.proposeRevoke(id)) break
    }
    const late = this.#questions.filter((question) => question.deadlineMs <= now)
    this.#questions = this.#questions.filter((question) => question.deadlineMs > now)
    for (const question of late) question.fail(new EtcdError('timeout'))
    this.#retryQuestions()
  }

  renew(id: LeaseId, done: (error: Error | null, ttlSeconds: number) => void): void {
    this.#ask<number>(
      (answer) => {
        if (this.#primary) return this.#renewHere(id, answer)
        const request = LeaseKeepAliveRequest.encode({ ID: id }).finish()
        this.#askLeader('leaseRenew', request, (bytes) => Number(LeaseKeepAliveResponse.decode(bytes).TTL), answer)
      },
      (error, ttlSeconds) => done(error, ttlSeconds ?? 0),
    )
  }

  times(id: LeaseId, done: Answer<LeaseTimes>): void {
    this.#ask<LeaseTimes>((answer) => {
      if (this.#primary) return this.#timesHere(id, answer)
      const request = LeaseTimeToLiveRequest.encode({ ID: id, keys: false }).finish()
      const decode = (bytes: Uint8Array): LeaseTimes => {
        const { TTL, grantedTTL } = LeaseTimeToLiveResponse.decode(bytes)
        return { ttlSeconds: Number(TTL), grantedTtlSeconds: Number(grantedTTL) }
      }
      this.#askLeader('leaseTimeToLive', request, decode, answer)
    }, done)
  }

  /** Another member asks. It retries by itself, so that a non-leader may refuse at once. */
  answer(method: PeerMethod, request: Uint8Array, done: PeerCallDone): void {
    if (!this.#primary) return done(new EtcdError('notLeader'), null)
    if (method === 'leaseRenew') {
      const id = LeaseKeepAliveRequest.decode(request).ID
      return this.#renewHere(leaseId(id), (error, ttl) => {
        if (error || ttl === null) return done(error, null)
        done(null, LeaseKeepAliveResponse.encode({ header: undefined, ID: id, TTL: BigInt(ttl) }).finish())
      })
    }
    const id = LeaseTimeToLiveRequest.decode(request).ID
    this.#timesHere(leaseId(id), (error, times) => {
      if (error || !times) return done(error, null)
      const TTL = BigInt(times.ttlSeconds)
      const grantedTTL = BigInt(times.grantedTtlSeconds)
      done(null, LeaseTimeToLiveResponse.encode({ header: undefined, ID: id, TTL, grantedTTL, keys: [] }).finish())
    })
  }

  failAll(error: Error): void {
    const questions = this.#questions
    this.#questions = []
    for (const question of questions) question.fail(error)
  }

  /** The barrier comes first: a leader that was paused or cut off must find out before it promises anything. */
  #renewHere(id: LeaseId, done: Answer<number>): void {
    this.#ports.barrier((error) => {
      if (error) return done(error, null)
      if (!this.#primary) return done(new EtcdError('leaderChanged'), null)
      done(null, renew(this.#lessor, id, this.#ports.nowMs()))
    })
  }

  #timesHere(id: LeaseId, done: Answer<LeaseTimes>): void {
    this.#ports.barrier((error) => {
      if (error) return done(error, null)
      if (!this.#primary) return done(new EtcdError('leaderChanged'), null)
      const lease = this.#ports.read((view) => getLease(view, id))
      if (!lease) return done(null, { ttlSeconds: -1, grantedTtlSeconds: 0 })
      const left = remaining(this.#lessor, id, this.#ports.nowMs())
      done(null, { ttlSeconds: left ?? 0, grantedTtlSeconds: lease.ttlSeconds })
    })
  }

  /** Asks, and asks again on later ticks while there is no leader or the answer is only that leadership is moving. */
  #ask<T>(attempt: (answer: Answer<T>) => void, done: Answer<T>): void {
    const question: Question = {
      deadlineMs: this.#ports.nowMs() + this.#timeoutMs,
      fail: (error) => done(error, null),
      ask: () => {
        const leader = this.#ports.leader()
        if (!this.#primary && (leader === noMember || leader === this.#ports.self())) {
          this.#questions.push(question)
          return
        }
        attempt((error, value) => {
          if (error && isMoving(error) && this.#ports.nowMs() < question.deadlineMs) this.#questions.push(question)
          else done(error, value)
        })
      },
    }
    question.ask()
  }

  #retryQuestions(): void {
    const questions = this.#questions
    this.#questions = []
    for (const question of questions) question.ask()
  }

  #askLeader<T>(method: PeerMethod, request: Uint8Array, decode: (bytes: Uint8Array) => T, answer: Answer<T>): void {
    this.#ports.call(this.#ports.leader(), method, request, (error, response) => {
      if (error || !response) answer(error ?? new EtcdError('stopped'), null)
      else answer(null, decode(response))
    })
  }
}

const isMoving = (error: Error): boolean =>
  error instanceof EtcdError && (error.reason === 'notLeader' || error.reason === 'leaderChanged')
