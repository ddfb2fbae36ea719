import type { CommittedBatch, Outcome } from '../../src/apply/outcome.ts'
import {
  clusterId,
  type LeaseId,
  leaseId,
  type MemberId,
  memberId,
  type Revision,
  type Term,
} from '../../src/base/ids.ts'
import { encodeExpiries } from '../../src/lease/expiry-list.ts'
import { createLessor, granted } from '../../src/lease/lessor.ts'
import type { ReadView } from '../../src/mvcc/view.ts'
import type { HeldView, LeaseTimes, Member, MemberInfo, MemberStatus, WriteKind } from '../../src/service/member.ts'

const emptyView: ReadView = { get: () => undefined, scan: () => [], count: () => 0 }

/** A member without a core: what it answers is set by the test, what it is asked is recorded. */
export class FakeMember implements Member {
  info: MemberInfo = {
    clusterId: clusterId(0xc1n),
    memberId: memberId(0xa1n),
    version: '3.4.23',
    maxTxnOps: 128,
    maxRequestBytes: 1_572_864,
    electionTimeoutMs: 50,
    leaseTtlSecondsMin: 2,
    watchProgressIntervalMs: 600_000,
    authTokenTtlSeconds: 300,
  }
  view: ReadView = emptyView
  currentLeader: MemberId = memberId(0xa1n)
  currentTerm: Term = 3
  currentRevision: Revision = 7
  barriers = 0
  barrierError: Error | null = null
  readonly proposed: { readonly kind: WriteKind; readonly request: Uint8Array }[] = []
  /** Verdict on the next writes. */
  outcome: Outcome | Error = { ok: true, revision: 8, body: new Uint8Array(0) }
  /** TTL of the leases there are. */
  readonly leases = new Map<bigint, number>()
  onRenew: (id: LeaseId) => Promise<void> = () => Promise.resolve()
  readonly #leaderListeners = new Set<(leader: MemberId) => void>()
  readonly #rulesListeners = new Set<() => void>()
  readonly #commitListeners = new Set<(batch: CommittedBatch) => void>()

  async propose(kind: WriteKind, request: Uint8Array): Promise<Outcome> {
    this.proposed.push({ kind, request })
    if (this.outcome instanceof Error) throw this.outcome
    return this.outcome
  }

  async readBarrier(): Promise<void> {
    this.barriers++
    if (this.barrierError !== null) throw this.barrierError
  }

  read<T>(work: (view: ReadView) => T): T {
    return work(this.view)
  }

  holdView(): HeldView {
    return { view: this.view, close: () => {} }
  }

  async renewLease(id: LeaseId): Promise<number> {
    await this.onRenew(id)
    return this.leases.get(id) ?? 0
  }

  async leaseTimes(id: LeaseId): Promise<LeaseTimes> {
    const ttlSeconds = this.leases.get(id)
    return ttlSeconds === undefined
      ? { ttlSeconds: -1, grantedTtlSeconds: 0 }
      : { ttlSeconds, grantedTtlSeconds: ttlSeconds }
  }

  async leaseExpiries(): Promise<Uint8Array> {
    const lessor = createLessor()
    for (const [id, ttlSeconds] of this.leases) granted(lessor, leaseId(id), ttlSeconds, 0)
    return encodeExpiries(lessor)
  }

  async status(): Promise<MemberStatus> {
    return {
      leader: this.currentLeader,
      term: this.currentTerm,
      committedIndex: 21,
      appliedIndex: 20,
      isLearner: false,
      sizeAllocatedBytes: 4096,
      sizeInUseBytes: 1024,
    }
  }

  term(): Term {
    return this.currentTerm
  }

  leader(): MemberId {
    return this.currentLeader
  }

  revision(): Revision {
    return this.currentRevision
  }

  /** Set ahead of the revision to stand for a write that is answered and not yet visible. */
  answered = 0

  answeredRevision(): Revision {
    return this.answered
  }

  answeredVisible(): Promise<void> | null {
    return null
  }

  onCommitted(listener: (batch: CommittedBatch) => void): () => void {
    this.#commitListeners.add(listener)
    return () => this.#commitListeners.delete(listener)
  }

  onRulesChanged(listener: () => void): () => void {
    this.#rulesListeners.add(listener)
    return () => this.#rulesListeners.delete(listener)
  }

  onLeader(listener: (leader: MemberId) => void): () => void {
    this.#leaderListeners.add(listener)
    return () => this.#leaderListeners.delete(listener)
  }

  commit(batch: CommittedBatch): void {
    for (const listener of this.#commitListeners) listener(batch)
    if (batch.replaced || batch.rulesChanged === true) for (const listener of this.#rulesListeners) listener()
  }

  setLeader(leader: MemberId): void {
    this.currentLeader = leader
    for (const listener of this.#leaderListeners) listener(leader)
  }

  get listeners(): number {
    return this.#leaderListeners.size + this.#commitListeners.size + this.#rulesListeners.size
  }
}
