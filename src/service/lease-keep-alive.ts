import { writingLease, writingLeases } from '../auth/operation.ts'
import { type LeaseId, leaseId, noMember } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import { EtcdError } from '../errors.ts'
import { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from '../wire/gen/rpc.ts'
import { refuseWithoutLeader, requireLeaderKey, requireLeaderValue } from './admission.ts'
import type { Call } from './call.ts'
import { admitCaughtUp } from './caught-up.ts'
import { decodeRequest } from './decode.ts'
import { type HeldCall, liveCallsOf } from './live-calls.ts'
import type { Member } from './member.ts'
import { knownRevision, respond } from './respond.ts'
import type { MessageStream } from './stream.ts'

/** Renewals of one stream that may be under way together; above it the client is held back. */
const renewalsMax = 256
/** A stream whose client insists on a leader is cut after this many election timeouts without one. */
const leaderlessElectionTimeouts = 3

interface Renewal {
  answer: Uint8Array | null
}

/**
 * Renews leases for as long as the client asks. Renewals run together but are answered in the order of the requests. A
 * lease that is unknown or has expired is answered with a TTL of 0, not with an error.
 *
 * To keep a lease is to keep its keys: all of them must be the caller's to write. A caller who loses that right for a lease
 * that it has kept here loses the stream at once.
 *
 * @param fail ends the stream with any error.
 */
export function leaseKeepAlive(
  member: Member,
  stream: MessageStream,
  fail: (error: unknown) => void,
  call: Call,
): void {
  const renewals: Renewal[] = []
  const renewed = new RenewedLeases()
  let held: HeldCall | null = null
  let ended = false
  let closed = false

  const endWith = (error: unknown): void => {
    if (closed) return
    closed = true
    fail(error)
  }
  const flush = (): void => {
    if (closed) return
    let writable = true
    while (renewals[0]?.answer) writable = stream.write(renewals.shift()!.answer!)
    if (ended && renewals.length === 0) {
      closed = true
      stream.end()
    } else if (!writable) {
      stream.pause?.()
    } else if (renewals.length < renewalsMax) {
      stream.resume?.()
    }
  }
  const renew = async (message: Uint8Array): Promise<void> => {
    const { ID } = decodeRequest(LeaseKeepAliveRequest, message)
    const renewal: Renewal = { answer: null }
    renewals.push(renewal)
    if (renewals.length >= renewalsMax) stream.pause?.()
    const id = leaseId(ID)
    const admitted = admitCaughtUp(member, held?.call ?? call, () => writingLease(id))
    if (admitted instanceof Promise) await admitted
    if (closed) return
    renewed.add(id)
    held ??= liveCallsOf(member).hold(call, () => writingLeases(renewed.ids), endWith)
    // The revision from before the renewal, as in etcd: the answer must not claim to know of anything later.
    const revision = knownRevision(member)
    const ttlSeconds = await member.renewLease(id)
    const body = LeaseKeepAliveResponse.encode({ header: undefined, ID, TTL: BigInt(ttlSeconds) }).finish()
    renewal.answer = respond(member, revision, body)
    flush()
  }

  if (stream.metadata(requireLeaderKey) === requireLeaderValue) {
    try {
      refuseWithoutLeader(member)
    } catch (error) {
      endWith(error)
      return
    }
    stream.onClose(watchLeader(member, () => endWith(new EtcdError('noLeader'))))
  }
  stream.onMessage((message) => {
    if (!closed) renew(message).catch(endWith)
  })
  stream.onDrain(flush)
  stream.onEnd(() => {
    ended = true
    flush()
  })
  stream.onClose(() => {
    closed = true
    held?.release()
  })
}

/** The leases that were renewed last. */
class RenewedLeases {
  readonly #ids = new Set<LeaseId>()

  get ids(): Iterable<LeaseId> {
    return this.#ids
  }

  add(id: LeaseId): void {
    this.#ids.delete(id)
    this.#ids.add(id)
    if (this.#ids.size > limits.renewedLeasesJudgedMax) this.#ids.delete(this.#ids.values().next().value!)
  }
}

/** Calls `onLost` once there has been no leader for too long. Returns how to stop. */
function watchLeader(member: Member, onLost: () => void): () => void {
  const patienceMs = leaderlessElectionTimeouts * member.info.electionTimeoutMs
  let timer: NodeJS.Timeout | null = null
  const unsubscribe = member.onLeader((leader) => {
    if (leader !== noMember) {
      if (timer !== null) clearTimeout(timer)
      timer = null
    } else {
      timer ??= setTimeout(onLost, patienceMs)
    }
  })
  return () => {
    unsubscribe()
    if (timer !== null) clearTimeout(timer)
  }
}
