import { operating } from '../auth/operation.ts'
import { emptyBytes } from '../base/bytes.ts'
import { noMember } from '../base/ids.ts'
import { Code, EtcdError, etcdErrors } from '../errors.ts'
import {
  AlarmRequest,
  AlarmRequest_AlarmAction,
  DowngradeRequest,
  DowngradeRequest_DowngradeAction,
  StatusRequest,
  StatusResponse,
} from '../wire/gen/rpc.ts'
import { admit } from './access.ts'
import type { Call } from './call.ts'
import { decodeRequest } from './decode.ts'
import type { Member } from './member.ts'
import { knownRevision, respond } from './respond.ts'
import { StatusError } from './status-error.ts'

/** How this member is doing: answered by learners and without a leader too. */
export async function status(member: Member, bytes: Uint8Array): Promise<Uint8Array> {
  decodeRequest(StatusRequest, bytes)
  const now = await member.status()
  const body = StatusResponse.encode({
    header: undefined,
    version: member.info.version,
    dbSize: BigInt(now.sizeAllocatedBytes),
    leader: now.leader,
    raftIndex: BigInt(now.committedIndex),
    raftTerm: BigInt(now.term),
    raftAppliedIndex: BigInt(now.appliedIndex),
    errors: now.leader === noMember ? [etcdErrors.noLeader.message] : [],
    dbSizeInUse: BigInt(now.sizeInUseBytes),
    isLearner: now.isLearner,
    storageVersion: '',
    // No quota can be set yet.
    dbSizeQuota: 0n,
    downgradeInfo: { enabled: false, targetVersion: '' },
  }).finish()
  await member.answeredVisible()
  return respond(member, knownRevision(member), body)
}

/** No alarm can be raised yet, so the list of them is empty and there is none to set or clear. */
export function alarm(member: Member, bytes: Uint8Array, call: Call): Uint8Array {
  const request = decodeRequest(AlarmRequest, bytes)
  if (request.action !== AlarmRequest_AlarmAction.GET) admit(member, call, () => operating)
  if (request.action !== AlarmRequest_AlarmAction.GET) {
    throw new StatusError(Code.Unimplemented, 'etcdserverpb.Maintenance/Alarm can only list alarms')
  }
  return respond(member, knownRevision(member), emptyBytes)
}

/** Major and minor, and a patch level that does not matter. */
const downgradeVersion = /^\d{1,9}\.\d{1,9}(\.\d{1,9}([-+][0-9A-Za-z.+-]+)?)?$/

/**
 * A cluster of this program has no earlier version of its data to go back to: every well-formed target is refused, and
 * there never is a downgrade to cancel.
 *
 * @source etcd 3.5 server/etcdserver/v3_server.go, downgradeValidate and downgradeCancel, for the order of the refusals.
 */
export async function downgrade(member: Member, bytes: Uint8Array): Promise<Uint8Array> {
  const request = decodeRequest(DowngradeRequest, bytes)
  switch (request.action) {
    case DowngradeRequest_DowngradeAction.VALIDATE:
    case DowngradeRequest_DowngradeAction.ENABLE:
      if (!downgradeVersion.test(request.version)) throw new EtcdError('wrongDowngradeVersionFormat')
      await member.readBarrier()
      throw new EtcdError('invalidDowngradeTarget')
    case DowngradeRequest_DowngradeAction.CANCEL:
      await member.readBarrier()
      throw new EtcdError('noInflightDowngrade')
    default:
      throw new EtcdError('unknownMethod')
  }
}
