import { emptyBytes } from '../base/bytes.ts'
import { ByteReader } from './byte-reader.ts'
import type { Command_Kind } from './gen/internal.ts'
import { varintSize, writeVarint } from './varint.ts'

/** Who asks for a command, as `leasehold.Command` has it: all zero and false is nobody who is known. */
export interface CommandCaller {
  readonly userId: number
  readonly tokenRevision: number
  readonly byMember: boolean
}

/** `leasehold.Command` with `kind` not yet checked. */
export interface DecodedCommand {
  readonly proposalId: bigint
  readonly proposer: bigint
  readonly kind: Command_Kind | number
  readonly request: Uint8Array
  readonly caller: CommandCaller
}

/** Field numbers and types of the caller's fields. */
const userIdTag = 0x28
const tokenRevisionTag = 0x30
const byMemberTag = 0x38

/**
 * `leasehold.Command` in one allocation and one copy of the request; readers cannot tell it from the generated encoding
 * (unit test), which spends most of its time on a growing buffer.
 */
export function encodeCommand(
  proposalId: bigint,
  proposer: bigint,
  kind: Command_Kind,
  request: Uint8Array,
  caller: CommandCaller,
): Uint8Array {
  const { userId, tokenRevision, byMember } = caller
  const callerBytes =
    (userId === 0 ? 0 : 1 + varintSize(userId)) +
    (tokenRevision === 0 ? 0 : 1 + varintSize(tokenRevision)) +
    (byMember ? 2 : 0)
  const bytes = Buffer.allocUnsafe(
    18 + 1 + varintSize(kind) + 1 + varintSize(request.length) + request.length + callerBytes,
  )
  bytes[0] = 0x09
  bytes.writeBigUInt64LE(proposalId, 1)
  bytes[9] = 0x11
  bytes.writeBigUInt64LE(proposer, 10)
  bytes[18] = 0x18
  let at = writeVarint(bytes, 19, kind)
  bytes[at] = 0x22
  at = writeVarint(bytes, at + 1, request.length)
  bytes.set(request, at)
  if (callerBytes === 0) return bytes
  at += request.length
  if (userId !== 0) {
    bytes[at] = userIdTag
    at = writeVarint(bytes, at + 1, userId)
  }
  if (tokenRevision !== 0) {
    bytes[at] = tokenRevisionTag
    at = writeVarint(bytes, at + 1, tokenRevision)
  }
  if (byMember) {
    bytes[at] = byMemberTag
    bytes[at + 1] = 1
  }
  return bytes
}

/** Equal to the generated decoder on every input (unit test); several times faster, for every entry is decoded once. */
export function decodeCommand(bytes: Uint8Array): DecodedCommand {
  const reader = new ByteReader(bytes)
  let proposalId = 0n
  let proposer = 0n
  let kind = 0
  let request: Uint8Array = emptyBytes
  let userId = 0
  let tokenRevision = 0
  let byMember = false
  while (!reader.done) {
    const tag = reader.varint()
    if (tag === 0x09) proposalId = reader.fixed64()
    else if (tag === 0x11) proposer = reader.fixed64()
    else if (tag === 0x18) kind = reader.varint()
    else if (tag === 0x22) request = reader.bytes()
    else if (tag === userIdTag) userId = reader.varint()
    else if (tag === tokenRevisionTag) tokenRevision = reader.varint()
    else if (tag === byMemberTag) byMember = reader.bool()
    else reader.skip(tag)
  }
  return { proposalId, proposer, kind, request, caller: { userId, tokenRevision, byMember } }
}
