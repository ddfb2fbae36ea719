import { isReadOnlyTxn, readOnlyTxn } from '../apply/txn.ts'
import { range as rangeOf } from '../mvcc/range.ts'
import { CompactionRequest, type RangeRequest, type RequestOp, type TxnRequest } from '../wire/gen/rpc.ts'
import {
  decodeDeleteRangeRequest,
  decodePutRequest,
  decodeRangeRequest,
  decodeTxnRequest,
} from '../wire/kv-requests.ts'
import { checkDeleteRange, checkPut, checkRange, checkTxn } from '../wire/validate.ts'
import { refuseEnded, refuseOnLearner, refuseTooLarge } from './admission.ts'
import type { Call } from './call.ts'
import { decodeRequest, orMalformed } from './decode.ts'
import type { Member } from './member.ts'
import { proposeAndRespond, respond } from './respond.ts'

const decodeRange = orMalformed(decodeRangeRequest)
const decodePut = orMalformed(decodePutRequest)
const decodeDeleteRange = orMalformed(decodeDeleteRangeRequest)
const decodeTxn = orMalformed(decodeTxnRequest)

/**
 * Serializable reads answer from what this member has (at least every write that it has answered); all others wait until
 * it has caught up with every acknowledged write.
 */
export function range(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> | Uint8Array {
  const request = decodeRange(bytes)
  checkRange(request)
  if (request.serializable) {
    const answered = member.answeredVisible()
    return answered === null ? readRange(member, request) : answered.then(() => readRangeFor(call, member, request))
  }
  refuseOnLearner(member)
  return member.readBarrier().then(() => readRangeFor(call, member, request))
}

/** For a caller who may have gone while the read waited. */
function readRangeFor(call: Call, member: Member, request: RangeRequest): Uint8Array {
  refuseEnded(call)
  return readRange(member, request)
}

function readRange(member: Member, request: RangeRequest): Uint8Array {
  const { body, revision } = member.read((view) => rangeOf(view, request))
  return respond(member, revision, body)
}

export function put(member: Member, bytes: Uint8Array): Promise<Uint8Array> {
  checkPut(decodePut(bytes))
  refuseTooLarge(member, bytes)
  return proposeAndRespond(member, 'put', bytes)
}

export function deleteRange(member: Member, bytes: Uint8Array): Promise<Uint8Array> {
  checkDeleteRange(decodeDeleteRange(bytes))
  refuseTooLarge(member, bytes)
  return proposeAndRespond(member, 'deleteRange', bytes)
}

export async function txn(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const request = decodeTxn(bytes)
  checkTxn(request, { maxTxnOps: member.info.maxTxnOps })
  if (!isReadOnlyTxn(request)) {
    refuseTooLarge(member, bytes)
    return proposeAndRespond(member, 'txn', bytes)
  }
  await (isSerializable(request) ? member.answeredVisible() : member.readBarrier())
  refuseEnded(call)
  const { body, revision } = member.read((view) => readOnlyTxn(view, request))
  return respond(member, revision, body)
}

/**
 * Whether every range of a read-only transaction asks for no more than the local state. One without any range has only
 * compares: etcd evaluates those on the local state too, here they wait for the barrier.
 */
function isSerializable({ success, failure }: TxnRequest): boolean {
  return success.length + failure.length > 0 && success.every(isSerializableRange) && failure.every(isSerializableRange)
}

const isSerializableRange = ({ request }: RequestOp): boolean =>
  request?.$case === 'request_range' && request.value.serializable

export function compact(member: Member, bytes: Uint8Array): Promise<Uint8Array> {
  decodeRequest(CompactionRequest, bytes)
  refuseTooLarge(member, bytes)
  return proposeAndRespond(member, 'compact', bytes)
}
