import type { Caller } from '../auth/caller.ts'
import type { Revision } from '../base/ids.ts'
import { EtcdError } from '../errors.ts'
import { encodeHeader } from '../wire/header.ts'
import type { Member, WriteKind } from './member.ts'

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
 * Replicates a write and gives the response, or throws the verdict.
 *
 * @param caller what it may is judged again where the write is applied.
 * @throws EtcdError the verdict, or why there is none.
 */
export async function proposeAndRespond(
  member: Member,
  kind: WriteKind,
  request: Uint8Array,
  caller: Caller,
): Promise<Uint8Array> {
  const outcome = await member.propose(kind, request, caller)
  if (!outcome.ok) throw new EtcdError(outcome.reason)
  return respond(member, outcome.revision, outcome.body)
}
