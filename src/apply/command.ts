import type { AccessRules } from '../auth/access-rules.ts'
import { authorize } from '../auth/authorize.ts'
import { callerOfFields } from '../auth/caller.ts'
import { changeRules } from '../auth/change.ts'
import {
  deleteOperation,
  known,
  memberOnly,
  type Operation,
  operating,
  putOperation,
  root,
  txnOperation,
  usingLeases,
  writingLease,
} from '../auth/operation.ts'
import { issueToken, renewToken, revokeToken } from '../auth/token.ts'
import { emptyBytes, equalBytes, utf8 } from '../base/bytes.ts'
import { type Index, type LeaseId, leaseId, memberId, noLease, type Revision } from '../base/ids.ts'
import { pointRange } from '../base/key-range.ts'
import { EtcdError } from '../errors.ts'
import { getLease, hasLease, leaseKeys, putLease, removeLease } from '../lease/records.ts'
import { compact } from '../mvcc/compaction.ts'
import type { WriteView } from '../mvcc/view.ts'
import { deleteRange, type Mutation } from '../mvcc/write.ts'
import type { CommandCaller, DecodedCommand } from '../wire/command.ts'
import { decodeRequest } from '../wire/decode.ts'
import { AuthChange, Command_Kind, LeaseCheckpoints, MemberRecord } from '../wire/gen/internal.ts'
import { CompactionRequest, LeaseGrantRequest, LeaseRevokeRequest } from '../wire/gen/rpc.ts'
import { decodeDeleteRangeRequest, decodePutRequest, decodeTxnRequest } from '../wire/kv-requests.ts'
import { leaseGrantBody } from '../wire/responses.ts'
import { checkDeleteRange, checkLeaseGrant, checkPut } from '../wire/validate.ts'
import type { AnswerRoom } from './answer-room.ts'
import { getMember, putMember } from './members.ts'
import type { LeaseChange } from './outcome.ts'
import { executeTxn } from './txn.ts'
import { checkPutAgainst, executeDeleteRange, executePut } from './write-ops.ts'

export interface CommandResult {
  /** Null if it takes more than there is room for: the command has its effect all the same. */
  readonly body: Uint8Array | null
  readonly leaseChanges: readonly LeaseChange[]
  readonly compactTo: Revision | null
}

/** What a command is executed with, beside the state. */
export interface CommandContext {
  /** For the answer, if it is wanted here; else null. Must not change what is applied, and does not. */
  readonly room: AnswerRoom | null
  /** Those of the state; brought up to date by what changes them. */
  readonly rules: AccessRules
  /** Of the command's entry. */
  readonly index: Index
}

/**
 * Executes one write, for whoever may. All checks come before the first change, so that a refusal leaves no trace.
 *
 * @throws EtcdError the refusal, the same on every member.
 */
export function executeCommand(mutation: Mutation, command: DecodedCommand, context: CommandContext): CommandResult {
  const { kind, request } = command
  const { room, rules } = context
  const wanted = room !== null
  const { view } = mutation
  const allow = (operation: Operation): void => {
    const denial = authorize(rules, view, callerOfFields(command.caller), operation)
    if (denial !== null) throw new EtcdError(denial.reason, { cause: denial.rule })
  }
  switch (kind) {
    case Command_Kind.PUT: {
      const put = decodePutRequest(request)
      checkPut(put)
      if (rules.enabled) allow(putOperation(put))
      checkPutAgainst(view, put, 'alone')
      return withBody(executePut(mutation, put, wanted).body)
    }
    case Command_Kind.DELETE_RANGE: {
      const deletion = decodeDeleteRangeRequest(request)
      checkDeleteRange(deletion)
      if (rules.enabled) allow(deleteOperation(deletion))
      return withBody(executeDeleteRange(mutation, deletion, room).body)
    }
    case Command_Kind.TXN: {
      const txn = decodeTxnRequest(request)
      if (rules.enabled) allow(txnOperation(txn))
      return withBody(executeTxn(mutation, txn, room))
    }
    case Command_Kind.COMPACT:
      allow(operating)
      return compactTo(mutation, decodeRequest(CompactionRequest, request))
    case Command_Kind.LEASE_GRANT:
      allow(usingLeases)
      return grant(mutation, decodeRequest(LeaseGrantRequest, request), wanted)
    case Command_Kind.LEASE_REVOKE: {
      const id = leaseId(decodeRequest(LeaseRevokeRequest, request).ID)
      allow(writingLease(id))
      return revoke(mutation, id)
    }
    case Command_Kind.LEASE_CHECKPOINT:
      allow(memberOnly)
      return checkpoint(mutation, decodeRequest(LeaseCheckpoints, request))
    case Command_Kind.PUBLISH_MEMBER:
      allow(memberOnly)
      return publishMember(mutation, decodeRequest(MemberRecord, request))
    case Command_Kind.AUTH:
      return withBody(changeAuth(view, context, decodeRequest(AuthChange, request), command.caller, allow))
    case Command_Kind.NOOP:
      return withBody(emptyBytes)
    default:
      throw new EtcdError('invalidRequest', { cause: `unknown kind of command: ${kind}` })
  }
}

const isSameToken = ({ tokenIds: [own] }: CommandCaller, id: Uint8Array): boolean =>
  own !== undefined && equalBytes(own, id)

/**
 * A token is issued or renewed by the member that checked the password, or the token, for its caller.
 *
 * @returns of a token that was issued, the index of its entry in digits.
 */
function changeAuth(
  view: WriteView,
  { rules, index }: CommandContext,
  { change }: AuthChange,
  caller: CommandCaller,
  allow: (operation: Operation) => void,
): Uint8Array {
  if (change === undefined) throw new EtcdError('invalidRequest', { cause: 'a change of nothing' })
  switch (change.$case) {
    case 'issue_token':
      allow(memberOnly)
      issueToken(view, change.value, index)
      return utf8(String(index))
    case 'renew_token':
      allow(memberOnly)
      renewToken(view, change.value)
      return emptyBytes
    case 'revoke_token':
      // Whoever shows a token may end it.
      allow(isSameToken(caller, change.value.id) ? known : root)
      if (revokeToken(view, change.value)) rules.at(view)
      return emptyBytes
    default:
      allow(root)
      if (changeRules(view, change)) rules.at(view)
      return emptyBytes
  }
}

const noLeaseChanges: readonly LeaseChange[] = []

const withBody = (body: Uint8Array | null): CommandResult => ({ body, leaseChanges: noLeaseChanges, compactTo: null })

function compactTo({ view, main }: Mutation, { revision }: CompactionRequest): CommandResult {
  // Beyond every revision that can exist, a rounded number is refused like the exact one.
  const target = Number(revision)
  compact(view, target, main - 1)
  return { body: emptyBytes, leaseChanges: noLeaseChanges, compactTo: target }
}

function grant({ view }: Mutation, request: LeaseGrantRequest, wanted: boolean): CommandResult {
  const id = leaseId(request.ID)
  checkLeaseGrant(request)
  if (id === noLease) throw new EtcdError('leaseNotFound')
  if (request.TTL < 1n) throw new EtcdError('invalidRequest', { cause: 'the accepting member did not raise the TTL' })
  if (getLease(view, id) !== null) throw new EtcdError('leaseExists')
  const ttlSeconds = Number(request.TTL)
  putLease(view, { id, ttlSeconds, checkpointSeconds: 0 })
  const body = wanted ? leaseGrantBody(id, ttlSeconds) : emptyBytes
  return { body, leaseChanges: [{ kind: 'granted', id, ttlSeconds }], compactTo: null }
}

/** The lease and its keys go together; the keys in key order, so that all members number the deletions alike. */
function revoke(mutation: Mutation, id: LeaseId): CommandResult {
  if (!hasLease(mutation.view, id)) throw new EtcdError('leaseNotFound')
  for (const key of leaseKeys(mutation.view, id)) deleteRange(mutation, pointRange(key))
  removeLease(mutation.view, id)
  return { body: emptyBytes, leaseChanges: [{ kind: 'revoked', id }], compactTo: null }
}

/** Leases that are gone by now are left out; a remaining time is never longer than the TTL. */
function checkpoint({ view }: Mutation, { checkpoints }: LeaseCheckpoints): CommandResult {
  const leaseChanges: LeaseChange[] = []
  for (const { id: bits, remaining_seconds } of checkpoints) {
    const id = leaseId(bits)
    const lease = getLease(view, id)
    if (lease === null || remaining_seconds < 0n || remaining_seconds > lease.ttlSeconds) continue
    const remainingSeconds = Number(remaining_seconds)
    putLease(view, { ...lease, checkpointSeconds: remainingSeconds })
    leaseChanges.push({ kind: 'checkpointed', id, remainingSeconds })
  }
  return { body: emptyBytes, leaseChanges, compactTo: null }
}

/** A member makes its name and client URLs known; what the configuration says of it stays. */
function publishMember({ view }: Mutation, published: MemberRecord): CommandResult {
  const record = getMember(view, memberId(published.id))
  if (record === null) throw new EtcdError('memberNotFound')
  putMember(view, { ...record, name: published.name, client_urls: published.client_urls })
  return withBody(emptyBytes)
}
