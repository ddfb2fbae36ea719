import { assert } from '../base/assert.ts'
import { concatBytes, equalBytes, prefixEnd, utf8 } from '../base/bytes.ts'
import { limits } from '../base/limits.ts'
import { Code, EtcdError, type EtcdErrorReason } from '../errors.ts'
import { LeaseGrantRequest, LeaseGrantResponse, LeaseRevokeRequest } from '../wire/gen/rpc.ts'
import type { Call } from './call.ts'
import { leaseGrant, leaseRevoke } from './lease.ts'
import type { Member } from './member.ts'
import { deleteOp, firstCreatedOp, getOp, lastCreatedOp, ownTxn, putOp, wasCreatedAt } from './own-txn.ts'
import { deletionOf, type WatchHandler } from './own-watch.ts'
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

/** For cleaning up after a caller who has gone. */
const lastingCall: Call = { ended: false, onEnd: () => {} }

/** Where the keys of a queue begin. */
export const queuePrefix = (name: Uint8Array): Uint8Array => concatBytes(name, utf8('/'))

export function queueEnd(prefix: Uint8Array): Uint8Array {
  const end = prefixEnd(prefix)
  assert(end !== null, 'a slash has a successor')
  return end
}

/**
 * Queues of keys under a prefix: the key that was created first has its turn, and keeps it until it is deleted. Locks
 * and elections are both this. Each caller waits for the one before it only, so that a turn that ends wakes one caller.
 *
 * A caller that goes while it waits leaves the queue: its key is deleted, unless another call for the same key still
 * waits here or has been told that the turn is its.
 *
 * @source etcd client/v3/concurrency, mutex.go and election.go, for the keys and the order; there a turn is given
 *   to an elected caller without looking whether its key is still there.
 */
export class TurnQueue {
  readonly #watch: WatchHandler
  readonly #places = new Map<string, Place>()
  #waiting = 0

  constructor(watch: WatchHandler) {
    this.#watch = watch
  }

  /**
   * Waits for the turn.
   *
   * @throws EtcdError `lost`; tooManyRequests if too many wait on this member; what the reads and writes throw.
   * @throws StatusError Canceled if the call ended; nobody reads it.
   */
  async take(member: Member, request: TurnRequest, call: Call): Promise<Turn> {
    if (request.lease !== 0n) return this.#take(member, request, call)
    const lease = await grantLease(member)
    try {
      return await this.#take(member, { ...request, lease }, call)
    } catch (error) {
      // Its key goes with it. If that fails too, it expires soon.
      leaseRevoke(member, LeaseRevokeRequest.encode({ ID: lease }).finish()).catch(() => {})
      throw error
    }
  }

  async #take(member: Member, request: TurnRequest, call: Call): Promise<Turn> {
    const { name, lease, value } = request
    const prefix = queuePrefix(name)
    const key = concatBytes(prefix, utf8(lease.toString(16)))
    const first = firstCreatedOp(prefix, queueEnd(prefix))
    const entered = await ownTxn(member, call, {
      compare: [wasCreatedAt(key, 0n)],
      success: [putOp(key, value ?? utf8(''), lease), first],
      failure: [getOp(key), first],
    })
    const existing = entered.kvs(0)[0]
    const created = existing?.create_revision ?? entered.revision
    const isFirst = entered.kvs(1)[0]?.create_revision === created
    const place = this.#enter(key, created)
    try {
      if (existing !== undefined && value !== null && !equalBytes(existing.value, value)) {
        await announce(member, call, { key, created, lease }, value)
      }
      const revision = isFirst ? entered.revision : await this.#wait(member, place, prefix, request.lost, call)
      if (call.ended) throw gone()
      place.taken = true
      return { key, created, lease, revision }
    } catch (error) {
      // A key that had its turn before this call came is that of somebody who was told so.
      const hadTurn = existing !== undefined && isFirst
      const isLost = error instanceof EtcdError && error.reason === request.lost
      if (place.calls === 1 && !place.taken && !hadTurn && !isLost) this.#leave(member, place)
      throw error
    } finally {
      this.#exit(place)
    }
  }

  async #wait(member: Member, place: Place, prefix: Uint8Array, lost: EtcdErrorReason, call: Call): Promise<bigint> {
    if (this.#waiting >= limits.turnWaitersMax) throw new EtcdError('tooManyRequests')
    this.#waiting++
    const ended = new Promise<never>((_, reject) => call.onEnd(() => reject(gone())))
    ended.catch(() => {})
    const success = [lastCreatedOp(prefix, queueEnd(prefix), place.created - 1n), getOp(place.key)]
    try {
      for (;;) {
        const look = ownTxn(member, call, { compare: [], success, failure: [] })
        const seen = await Promise.race([look, ended])
        const [before] = seen.kvs(0)
        if (seen.kvs(1)[0]?.create_revision !== place.created) throw new EtcdError(lost)
        if (before === undefined) return seen.revision
        await deletionOf(this.#watch, [before.key, place.key], seen.revision + 1n, ended)
      }
    } finally {
      this.#waiting--
    }
  }

  #enter(key: Uint8Array, created: bigint): Place {
    const id = `${created}@${Buffer.from(key).toString('latin1')}`
    const place = this.#places.get(id) ?? { id, key, created, calls: 0, taken: false }
    place.calls++
    this.#places.set(id, place)
    return place
  }

  #exit(place: Place): void {
    if (--place.calls === 0) this.#places.delete(place.id)
  }

  /** In the background; if it fails, the key goes with its lease. */
  #leave(member: Member, { key, created }: Place): void {
    withdraw(member, lastingCall, { key, created }).catch(() => {})
  }
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

async function grantLease(member: Member): Promise<bigint> {
  const request = LeaseGrantRequest.encode({ TTL: ownLeaseTtlSeconds, ID: 0n }).finish()
  return LeaseGrantResponse.decode(await leaseGrant(member, request)).ID
}
