import type { CommittedBatch, Outcome } from '../../../../src/apply/outcome.ts'
import { clusterId, type LeaseId, type MemberId, memberId } from '../../../../src/base/ids.ts'
import type { LeaseTimes, MemberInfo, MemberStatus, WriteKind } from '../../../../src/service/member.ts'
import type { CoreHandle } from '../../../../src/threads/core-handle.ts'
import type { LocalState } from '../../../../src/threads/local-member.ts'
import { type Change, FakeStore } from './fake-store.ts'

export const fakeInfo: MemberInfo = {
  clusterId: clusterId(0xfedcba9876543210n),
  memberId: memberId(7n),
  version: '3.4.23',
  maxTxnOps: 128,
  maxRequestBytes: 4096,
  electionTimeoutMs: 1000,
  leaseTtlSecondsMin: 2,
  watchProgressIntervalMs: 600_000,
  authTokenTtlSeconds: 300,
}

type ProposeDone = (error: Error | null, outcome: Outcome | null) => void

/** A core whose answers are the test's to give, except where `autoAnswer` gives them at once. */
export class FakeCore implements CoreHandle {
  readonly info = fakeInfo
  readonly store = new FakeStore()
  readonly proposals: { readonly kind: WriteKind; readonly request: Uint8Array; readonly done: ProposeDone }[] = []
  readonly barriers: ((error: Error | null, index: number) => void)[] = []
  readonly renewals: { readonly id: LeaseId; readonly done: (error: Error | null, ttl: number) => void }[] = []
  readonly leaseQuestions: {
    readonly id: LeaseId
    readonly done: (error: Error | null, times: LeaseTimes | null) => void
  }[] = []
  readonly expiryQuestions: ((error: Error | null, rows: Uint8Array | null) => void)[] = []
  /** Answers each proposal by echoing its request, one microtask later. */
  autoAnswer = false
  leaderId: MemberId = memberId(7n)
  currentTerm = 3
  readonly committedListeners = new Set<(batch: CommittedBatch) => void>()
  readonly leaderListeners = new Set<(leader: MemberId, term: number) => void>()

  propose(kind: WriteKind, request: Uint8Array, done: ProposeDone): void {
    if (this.autoAnswer) queueMicrotask(() => done(null, { ok: true, revision: 1, body: request }))
    else this.proposals.push({ kind, request, done })
  }

  readBarrier(done: (error: Error | null, index: number) => void): void {
    if (this.autoAnswer) queueMicrotask(() => done(null, this.appliedIndex()))
    else this.barriers.push(done)
  }

  renewLease(id: LeaseId, done: (error: Error | null, ttl: number) => void): void {
    this.renewals.push({ id, done })
  }

  leaseTimes(id: LeaseId, done: (error: Error | null, times: LeaseTimes | null) => void): void {
    this.leaseQuestions.push({ id, done })
  }

  leaseExpiries(done: (error: Error | null, rows: Uint8Array | null) => void): void {
    this.expiryQuestions.push(done)
  }

  status(): MemberStatus {
    return {
      leader: this.leaderId,
      term: this.currentTerm,
      committedIndex: this.store.appliedIndex,
      appliedIndex: this.store.appliedIndex,
      isLearner: false,
      sizeAllocatedBytes: 2 ** 40,
      sizeInUseBytes: 4096,
    }
  }

  term(): number {
    return this.currentTerm
  }

  leader(): MemberId {
    return this.leaderId
  }

  appliedIndex(): number {
    return this.store.appliedIndex
  }

  revision(): number {
    return this.store.revision
  }

  onCommitted(listener: (batch: CommittedBatch) => void): () => void {
    this.committedListeners.add(listener)
    return () => this.committedListeners.delete(listener)
  }

  onLeader(listener: (leader: MemberId, term: number) => void): () => void {
    this.leaderListeners.add(listener)
    return () => this.leaderListeners.delete(listener)
  }

  readonly state: LocalState = {
    read: (work) => work(this.store.view),
    hold: () => ({ view: this.store.view, close: () => {} }),
  }

  commit(...changes: Change[]): void {
    this.publish(this.store.commit(...changes))
  }

  publish(batch: CommittedBatch): void {
    for (const listener of this.committedListeners) listener(batch)
  }

  setLeader(leader: MemberId, term: number): void {
    this.leaderId = leader
    this.currentTerm = term
    for (const listener of this.leaderListeners) listener(leader, term)
  }
}
