import { isReadOnlyTxn, readOnlyTxn } from '../apply/txn.ts'
import {
  deleteOperation,
  type Operation,
  operating,
  putOperation,
  rangeOperation,
  txnOperation,
} from '../auth/operation.ts'
import { range as rangeOf } from '../mvcc/range.ts'
import { allAtOnce } from '../mvcc/steps.ts'
import { CompactionRequest, type RangeRequest, type RequestOp, type TxnRequest } from '../wire/gen/rpc.ts'
import {
  decodeDeleteRangeRequest,
  decodePutRequest,
  decodeRangeRequest,
  decodeTxnRequest,
} from '../wire/kv-requests.ts'
import { checkDeleteRange, checkPut, checkRange, checkTxn } from '../wire/validate.ts'
import { admit, requireAccess } from './access.ts'
import { refuseEnded, refuseOnLearner, refuseTooLarge } from './admission.ts'
import type { Answer } from './answer.ts'
import type { Call } from './call.ts'
import { decodeRequest, orMalformed } from './decode.ts'
import { type Reading, readInSteps } from './long-reads.ts'
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
export function range(member: Member, bytes: Uint8Array, call: Call): Promise<Answer> | Answer {
  const request = decodeRange(bytes)
  checkRange(request)
  if (request.serializable) {
    const answered = member.answeredVisible()
    return answered === null ? readRange(call, member, request) : answered.then(() => readRange(call, member, request))
  }
  refuseOnLearner(member)
  return member.readBarrier().then(() => readRange(call, member, request))
}

function readRange(call: Call, member: Member, request: RangeRequest): Promise<Answer> | Answer {
  // The caller may have gone while the read waited.
  refuseEnded(call)
  const needed = (): Operation => rangeOperation(request)
  if (request.range_end.length > 0) return readFor(member, call, needed, (view) => rangeOf(view, request))
  const { body, revision } = member.read((view) => {
    requireAccess(member, view, call, needed)
    return allAtOnce(rangeOf(view, request))
  })
  call.audit?.answeredAt(revision)
  return respond(member, revision, body.join())
}

/** A read that may take many turns: it ends if its caller loses the right to it meanwhile. */
function readFor(member: Member, call: Call, needed: () => Operation, reading: Reading): Promise<Answer> | Answer {
  return readInSteps(member, call, needed, function* (view): ReturnType<Reading> {
    requireAccess(member, view, call, needed)
    const result = yield* reading(view)
    call.audit?.answeredAt(result.revision)
    return result
  })
}

export function put(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const request = decodePut(bytes)
  checkPut(request)
  refuseTooLarge(member, bytes)
  const caller = admit(member, call, () => putOperation(request))
  return proposeAndRespond(member, call, 'put', bytes, caller)
}

export function deleteRange(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const request = decodeDeleteRange(bytes)
  checkDeleteRange(request)
  refuseTooLarge(member, bytes)
  const caller = admit(member, call, () => deleteOperation(request))
  return proposeAndRespond(member, call, 'deleteRange', bytes, caller)
}

export async function txn(member: Member, bytes: Uint8Array, call: Call): Promise<Answer> {
  const request = decodeTxn(bytes)
  checkTxn(request, { maxTxnOps: member.info.maxTxnOps })
  const needed = (): Operation => txnOperation(request)
  if (!isReadOnlyTxn(request)) {
    refuseTooLarge(member, bytes)
    const caller = admit(member, call, needed)
    return proposeAndRespond(member, call, 'txn', bytes, caller)
  }
  await (isSerializable(request) ? member.answeredVisible() : member.readBarrier())
  refuseEnded(call)
  return readFor(member, call, needed, (view) => readOnlyTxn(view, request))
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

export function compact(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  decodeRequest(CompactionRequest, bytes)
  refuseTooLarge(member, bytes)
  return proposeAndRespond(
    member,
    call,
    'compact',
    bytes,
    admit(member, call, () => operating),
  )
}
