import { waiting } from '../auth/operation.ts'
import { assert } from '../base/assert.ts'
import { concatBytes, emptyBytes, equalBytes, prefixEnd, utf8 } from '../base/bytes.ts'
import { leaseId } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import { Code, EtcdError, type EtcdErrorReason } from '../errors.ts'
import { LeaseGrantRequest, LeaseGrantResponse, LeaseRevokeRequest } from '../wire/gen/rpc.ts'
import { type Call, lasting, memberCall } from './call.ts'
import { leaseGrant, leaseRevoke } from './lease.ts'
import { liveCallsOf } from './live-calls.ts'
import type { Member } from './member.ts'
import { areCreatedFrom, deleteOp, getOp, ownTxn, putOp, wasCreatedAt } from './own-txn.ts'
import type { WatchHandler } from './own-watch.ts'
import { nameOf, QueueView } from './queue-view.ts'
import { StatusError } from './status-error.ts'

export interface TurnRequest {
  /** The queue: its keys are `name`/. */
  readonly name: Uint8Array
  /** Whose key it is; 0n takes a new lease that nobody renews. */
  readonly lease: bigint
  /** What the key shall say; null leaves it as it is if it exists. */
  readonly value: Uint8Array | null
  /** What is said to a caller whose key was deleted while it waited. */
  readonly lost: EtcdErrorReason
}

export interface Turn {
  readonly key: Uint8Array
  /** Create revision of the key. */
  readonly created: bigint
  readonly lease: bigint
  /** Of the store when the turn came; above that of every turn before it. */
  readonly revision: bigint
}

/** A key in a queue, and the calls that wait on this member for its turn. */
interface Place {
  readonly id: string
  readonly key: Uint8Array
  readonly created: bigint
  calls: number
  /** A call has been told that the turn is its. */
  taken: boolean
}

/** As in etcd's client library, when a session is asked for without a lease. */
const ownLeaseTtlSeconds = 60n

/** Where the keys of a queue begin. */
export const queuePrefix = (name: Uint8Array): Uint8Array => concatBytes(name, utf8('/'))

export function queueEnd(prefix: Uint8Array): Uint8Array {
  const end = prefixEnd(prefix)
  assert(end !== null, 'a slash has a successor')
  return end
}

/**
 * Queues of keys under a prefix: the key that was created first has its turn, and keeps it until it is deleted. Locks
 * and elections are both this. A turn that ends wakes the next caller only.
 *
 * A caller that goes while it waits leaves the queue: its key is deleted, unless another call for the same key still
 * waits here or has been told that the turn is its. So is that of a caller who loses the right to wait, and is told so at
 * once.
 *
 * @source etcd client/v3/concurrency, mutex.go and election.go, for the keys and the order; there a turn is given
 *   to an elected caller without looking whether its key is still there.
 */
export class TurnQueue {
  readonly #watch: WatchHandler
  readonly #places = new Map<string, Place>()
  /** Of the queues in which anyone waits, by their prefixes. */
  readonly #views = new Map<string, QueueView>()
  #waiting = 0

  constructor(watch: WatchHandler) {
    this.#watch = watch
  }

  /**
   * Waits for the turn.
   *
   * @throws EtcdError `lost`; what the caller's rights, as they change, refuse it with; tooManyRequests if too many wait on
   *   this member; what the reads and writes throw.
   * @throws StatusError Canceled if the call ended; nobody reads it.
   */
  async take(member: Member, request: TurnRequest, call: Call): Promise<Turn> {
    if (request.lease !== 0n) return this.#take(member, request, call)
    const lease = await grantLease(member, call)
    try {
      return await this.#take(member, { ...request, lease }, call)
    } catch (error) {
      // Its key goes with it. If that fails too, it expires soon.
      leaseRevoke(member, LeaseRevokeRequest.encode({ ID: lease }).finish(), memberCall).catch(() => {})
      throw error
    }
  }

  async #take(member: Member, request: TurnRequest, call: Call): Promise<Turn> {
    const prefix = queuePrefix(request.name)
    const key = concatBytes(prefix, utf8(request.lease.toString(16)))
    const { promise: revoked, reject } = Promise.withResolvers<never>()
    revoked.catch(() => {})
    const needs = waiting({ start: prefix, end: queueEnd(prefix), isPoint: false }, key, leaseId(request.lease))
    const held = liveCallsOf(member).hold(call, () => needs, reject)
    try {
      return await this.#takeHeld(member, request, { prefix, key, call: held.call, revoked })
    } finally {
      held.release()
    }
  }

  /** @param revoked rejects when the caller may no longer wait. */
  async #takeHeld(
    member: Member,
    request: TurnRequest,
    { prefix, key, call, revoked }: Pick<Turn, 'key'> & { prefix: Uint8Array; call: Call; revoked: Promise<never> },
  ): Promise<Turn> {
    const { lease, value } = request
    const entered = await ownTxn(member, call, {
      compare: [wasCreatedAt(key, 0n)],
      success: [putOp(key, value ?? emptyBytes, lease)],
      failure: [getOp(key)],
    })
    const existing = entered.kvs(0)[0]
    const created = existing?.create_revision ?? entered.revision
    let hadTurn = existing !== undefined
    const place = this.#enter(key, created)
    try {
      if (existing !== undefined && value !== null && !equalBytes(existing.value, value)) {
        await announce(member, call, { key, created, lease }, value)
      }
      // Even for a caller who has gone: what is left behind depends on it.
      let seen = await look(member, lasting(call), prefix, place, request.lost)
      // Then it is that of somebody who was told so before this call came.
      hadTurn = existing !== undefined && seen.isFirst
      if (!seen.isFirst) seen = await this.#wait(member, place, prefix, request.lost, call, revoked)
      if (call.ended) throw gone()
      place.taken = true
      return { key, created, lease, revision: seen.revision }
    } catch (error) {
      const isLost = error instanceof EtcdError && error.reason === request.lost
      if (place.calls === 1 && !place.taken && !hadTurn && !isLost) {
        this.#leave(member, existing === undefined ? memberCall : lasting(call), place)
      }
      throw error
    } finally {
      this.#exit(place)
    }
  }

  async #wait(
    member: Member,
    place: Place,
    prefix: Uint8Array,
    lost: EtcdErrorReason,
    call: Call,
    revoked: Promise<never>,
  ): Promise<Look> {
    if (this.#waiting >= limits.turnWaitersMax) throw new EtcdError('tooManyRequests')
    const view = this.#viewOf(member, prefix)
    view.enter()
    this.#waiting++
    const gave = new Promise<never>((_, reject) => call.onEnd(() => reject(gone())))
    const ended = Promise.race([gave, revoked])
    ended.catch(() => {})
    try {
      for (;;) {
        await view.firstOrGone(place.key, place.created, ended)
        const seen = await Promise.race([look(member, call, prefix, place, lost), ended])
        if (seen.isFirst) return seen
      }
    } finally {
      this.#waiting--
      view.exit()
      const name = nameOf(prefix)
      if (view.isClosed && this.#views.get(name) === view) this.#views.delete(name)
    }
  }

  #viewOf(member: Member, prefix: Uint8Array): QueueView {
    const name = nameOf(prefix)
    const known = this.#views.get(name)
    if (known !== undefined && !known.isClosed) return known
    const view = new QueueView(this.#watch, member, prefix, queueEnd(prefix))
    this.#views.set(name, view)
    return view
  }

  #enter(key: Uint8Array, created: bigint): Place {
    const id = `${created}@${nameOf(key)}`
    const place = this.#places.get(id) ?? { id, key, created, calls: 0, taken: false }
    place.calls++
    this.#places.set(id, place)
    return place
  }

  #exit(place: Place): void {
    if (--place.calls === 0) this.#places.delete(place.id)
  }

  /**
   * In the background; if it fails, the key goes with its lease.
   *
   * @param by the member, for a key that this very call put there: its caller may have lost the right to delete it. Else the
   *   caller: others may wait by the same key.
   */
  #leave(member: Member, by: Call, { key, created }: Place): void {
    withdraw(member, by, { key, created }).catch(() => {})
  }
}

interface Look {
  readonly isFirst: boolean
  readonly revision: bigint
}

/** Whether a place is first in its queue now. @throws EtcdError `lost` if its key is gone, or is another one. */
async function look(
  member: Member,
  call: Call,
  prefix: Uint8Array,
  { key, created }: Place,
  lost: EtcdErrorReason,
): Promise<Look> {
  const own = [getOp(key)]
  const compare = [areCreatedFrom(prefix, queueEnd(prefix), created)]
  const seen = await ownTxn(member, call, { compare, success: own, failure: own })
  if (seen.kvs(0)[0]?.create_revision !== created) throw new EtcdError(lost)
  return { isFirst: seen.succeeded, revision: seen.revision }
}

const gone = (): StatusError => new StatusError(Code.Canceled, 'context canceled')

type Held = Pick<Turn, 'key' | 'created'>

/**
 * Puts a new value on the key of whoever has, or waits for, a turn. A lease of 0n keeps the one that it has.
 *
 * @returns the revision of the write.
 * @throws EtcdError electionNotLeader if the key is gone or another one.
 */
export async function announce(
  member: Member,
  call: Call,
  { key, created, lease }: Held & Pick<Turn, 'lease'>,
  value: Uint8Array,
): Promise<bigint> {
  const { succeeded, revision } = await ownTxn(member, call, {
    compare: [wasCreatedAt(key, created)],
    success: [putOp(key, value, lease)],
    failure: [],
  })
  if (!succeeded) throw new EtcdError('electionNotLeader')
  return revision
}

/** Gives a turn or a place back, if it is still held. Returns the revision of the store. */
export async function withdraw(member: Member, call: Call, { key, created }: Held): Promise<bigint> {
  const { revision } = await ownTxn(member, call, {
    compare: [wasCreatedAt(key, created)],
    success: [deleteOp(key)],
    failure: [],
  })
  return revision
}

async function grantLease(member: Member, call: Call): Promise<bigint> {
  const request = LeaseGrantRequest.encode({ TTL: ownLeaseTtlSeconds, ID: 0n }).finish()
  return LeaseGrantResponse.decode(await leaseGrant(member, request, call)).ID
}
