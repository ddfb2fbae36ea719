import type { Outcome } from '../apply/outcome.ts'
import type { Caller } from '../auth/caller.ts'
import type { Revision } from '../base/ids.ts'
import { Code, EtcdError } from '../errors.ts'
import { encodeHeader } from '../wire/header.ts'
import type { Call } from './call.ts'
import { denials } from './caught-up.ts'
import type { Member, WriteKind } from './member.ts'
import { StatusError } from './status-error.ts'

/** For the header of an answer that is of no revision in particular: not before any that this member has answered with. */
export const knownRevision = (member: Member): Revision => Math.max(member.revision(), member.answeredRevision())

/** The encoded header (field 1) that a response begins with. */
export function headerOf(member: Member, revision: Revision): Uint8Array {
  const { clusterId, memberId } = member.info
  return encodeHeader(clusterId, memberId, revision, member.term())
}

/** A response message: header (field 1) and the encoded rest. */
export function respond(member: Member, revision: Revision, body: Uint8Array): Uint8Array {
  const header = headerOf(member, revision)
  if (body.length === 0) return header
  const response = Buffer.allocUnsafe(header.length + body.length)
  response.set(header, 0)
  response.set(body, header.length)
  return response
}

/**
 * Replicates a write for a caller: not before it is in the audit trail, if it has to be. There is no other way from a
 * client's request to a proposal.
 *
 * @throws EtcdError why there is no verdict; StatusError if the trail cannot take it.
 */
export async function proposeFor(
  call: Call,
  member: Member,
  kind: WriteKind,
  request: Uint8Array,
  caller: Caller,
): Promise<Outcome> {
  const { audit = null } = call
  if (audit === null) return member.propose(kind, request, caller)
  await recordFirst(call)
  const outcome = await member.propose(kind, request, caller)
  if (outcome.ok) audit.answeredAt(outcome.revision)
  else if (denials.has(outcome.reason)) audit.deniedAtApply(outcome.reason)
  return outcome
}

/**
 * Returns when what has been decided about the call is in the audit trail, where that is required before it has an effect.
 *
 * @throws StatusError
 */
export async function recordFirst({ audit = null }: Call): Promise<void> {
  const recorded = audit?.persisted() ?? null
  if (recorded !== null && !(await recorded)) throw new StatusError(Code.Unavailable, unrecorded)
}

const unrecorded = 'leasehold: the audit trail cannot record this change, so it is not made'

/**
 * Replicates a write and gives the response, or throws the verdict.
 *
 * @param caller what it may is judged again where the write is applied.
 * @throws EtcdError the verdict, or why there is none.
 */
export async function proposeAndRespond(
  member: Member,
  call: Call,
  kind: WriteKind,
  request: Uint8Array,
  caller: Caller,
): Promise<Uint8Array> {
  const outcome = await proposeFor(call, member, kind, request, caller)
  if (!outcome.ok) throw new EtcdError(outcome.reason)
  return respond(member, outcome.revision, outcome.body)
}
