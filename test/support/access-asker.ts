import type { Caller } from '../../src/auth/caller.ts'
import { EtcdError, type EtcdErrorReason } from '../../src/errors.ts'
import { deleteRange, put, range, txn } from '../../src/service/kv.ts'
import { DeleteRangeRequest, PutRequest, RangeRequest, type RequestOp, TxnRequest } from '../../src/wire/gen/rpc.ts'
import type { AuthMember } from './auth-member.ts'
import { userCaller } from './auth-tables.ts'
import { fakeCall, noCredentials } from './fake-call.ts'

/** Why a request is refused; null: it is not. */
export type Answered = EtcdErrorReason | null

/** What a service function says to a user who shows its certificate. */
export const atAdmission = (member: AuthMember, user: string, op: RequestOp): Promise<Answered> =>
  asked(member, fakeCall({ ...noCredentials, certificateName: user }), op)

/** What it says to somebody who is known already, as by a token with a scope. */
export const asCaller = (member: AuthMember, caller: Caller, op: RequestOp): Promise<Answered> =>
  asked(member, Object.assign(fakeCall(), { caller }), op)

async function asked(member: AuthMember, call: ReturnType<typeof fakeCall>, { request }: RequestOp): Promise<Answered> {
  try {
    switch (request?.$case) {
      case 'request_range': {
        const value = { ...request.value, serializable: true }
        await range(member, RangeRequest.encode(value).finish(), call)
        break
      }
      case 'request_put':
        await put(member, PutRequest.encode(request.value).finish(), call)
        break
      case 'request_delete_range':
        await deleteRange(member, DeleteRangeRequest.encode(request.value).finish(), call)
        break
      case 'request_txn':
        await txn(member, TxnRequest.encode(request.value).finish(), call)
        break
    }
    return null
  } catch (error) {
    if (error instanceof EtcdError) return error.reason
    throw error
  } finally {
    call.end()
  }
}

/** What comes of it in the log, where nothing has looked at it before. Only writes get there: a read goes in a transaction. */
export async function inTheLog(member: AuthMember, user: string, op: RequestOp): Promise<Answered> {
  const caller = userCaller(member.view, user)
  const { request } = op
  const propose = () => {
    switch (request?.$case) {
      case 'request_put':
        return member.propose('put', PutRequest.encode(request.value).finish(), caller)
      case 'request_delete_range':
        return member.propose('deleteRange', DeleteRangeRequest.encode(request.value).finish(), caller)
      case 'request_txn':
        return member.propose('txn', TxnRequest.encode(request.value).finish(), caller)
      default:
        return member.propose('txn', TxnRequest.encode({ compare: [], success: [op], failure: [] }).finish(), caller)
    }
  }
  const outcome = await propose()
  return outcome.ok ? null : outcome.reason
}
