import { applyEntries } from '../../src/apply/apply.ts'
import { bootstrapState } from '../../src/apply/bootstrap.ts'
import type { Outcome } from '../../src/apply/outcome.ts'
import { anonymous, type Caller } from '../../src/auth/caller.ts'
import { getSettings } from '../../src/auth/records.ts'
import type { LeaseId } from '../../src/base/ids.ts'
import { encodeExpiries } from '../../src/lease/expiry-list.ts'
import { createLessor, granted, remaining, renew, revoked } from '../../src/lease/lessor.ts'
import { getLease } from '../../src/lease/records.ts'
import { getCompactRevision, getRevision } from '../../src/mvcc/meta.ts'
import { commandKinds } from '../../src/replica/proposal-data.ts'
import type { HeldView, LeaseTimes, WriteKind } from '../../src/service/member.ts'
import { Command } from '../../src/wire/gen/internal.ts'
import { anonymousCommand, commandBy } from './commands.ts'
import { FakeMember } from './fake-member.ts'
import { NaiveView } from './naive-view.ts'

/** A member that is its whole cluster: real apply and lessor over a state in memory, nothing between them. */
export class LoneMember extends FakeMember {
  readonly #state = new NaiveView()
  readonly #lessor = createLessor()
  #index = 0

  constructor() {
    super()
    const { clusterId, memberId } = this.info
    bootstrapState(this.#state, {
      clusterId,
      members: [
        {
          id: memberId,
          name: 'lone',
          peer_urls: ['http://127.0.0.1:1'],
          client_urls: ['http://127.0.0.1:2'],
          is_learner: false,
        },
      ],
    })
    this.view = this.#state
  }

  override async propose(kind: WriteKind, request: Uint8Array, caller: Caller = anonymous): Promise<Outcome> {
    this.proposed.push({ kind, request })
    const index = ++this.#index
    const command = { proposal_id: BigInt(index), member_id: this.info.memberId, kind: commandKinds[kind], request }
    const entry = {
      term: 1,
      index,
      type: 'normal',
      data: commandBy(caller, Command.encode({ ...anonymousCommand, ...command }).finish()),
    } as const
    const rulesBefore = getSettings(this.#state).version
    const [applied] = applyEntries(this.#state, [entry], () => true)
    for (const change of applied!.leaseChanges) {
      if (change.kind === 'granted') granted(this.#lessor, change.id, change.ttlSeconds, performance.now())
      else if (change.kind === 'revoked') revoked(this.#lessor, change.id)
    }
    this.commit({
      appliedIndex: index,
      revision: this.revision(),
      compactRevision: getCompactRevision(this.#state),
      events: applied!.events,
      replaced: false,
      rulesChanged: getSettings(this.#state).version !== rulesBefore,
    })
    return applied!.outcome!
  }

  override holdView(): HeldView {
    return { view: this.#state.copy(), close: () => {} }
  }

  override revision(): number {
    return getRevision(this.#state)
  }

  override async renewLease(id: LeaseId): Promise<number> {
    const renewal = renew(this.#lessor, id, performance.now())
    return renewal.kind === 'renewed' ? renewal.ttlSeconds : 0
  }

  override async leaseExpiries(): Promise<Uint8Array> {
    return encodeExpiries(this.#lessor)
  }

  override async leaseTimes(id: LeaseId): Promise<LeaseTimes> {
    const left = remaining(this.#lessor, id, performance.now())
    const lease = getLease(this.#state, id)
    if (left === null || lease === null) return { ttlSeconds: -1, grantedTtlSeconds: 0 }
    return { ttlSeconds: left, grantedTtlSeconds: lease.ttlSeconds }
  }
}
