import { emptyBytes } from '../base/bytes.ts'
import { LockRequest, LockResponse, UnlockRequest, UnlockResponse } from '../wire/gen/lock.ts'
import { DeleteRangeRequest, DeleteRangeResponse } from '../wire/gen/rpc.ts'
import type { Call } from './call.ts'
import { decodeRequest } from './decode.ts'
import { deleteRange } from './kv.ts'
import type { Member } from './member.ts'
import { respond } from './respond.ts'
import type { TurnQueue } from './turn-queue.ts'

/**
 * Waits for a lock and takes it, for as long as its key exists: until Unlock, or until the lease ends. A lease that has
 * the lock gets it again.
 *
 * The revision in the header is a fencing token: it is above that of every holder before. Whoever writes to the
 * store under the lock can instead compare, in the same transaction, that the key still has a version above 0.
 *
 * @throws EtcdError leaseNotFound; sessionExpired if the key was deleted while the caller waited.
 */
export async function lock(queue: TurnQueue, member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const { name, lease } = decodeRequest(LockRequest, bytes)
  const turn = await queue.take(member, { name, lease, value: null, lost: 'sessionExpired' }, call)
  const body = LockResponse.encode({ header: undefined, key: turn.key }).finish()
  return respond(member, Number(turn.revision), body)
}

/** Deletes the key that Lock answered with; one that is gone is no error. */
export async function unlock(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const { key } = decodeRequest(UnlockRequest, bytes)
  const request = DeleteRangeRequest.encode({ key, range_end: emptyBytes, prev_kv: false }).finish()
  const { header } = DeleteRangeResponse.decode(await deleteRange(member, request, call))
  return UnlockResponse.encode({ header }).finish()
}
