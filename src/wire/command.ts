import { emptyBytes, utf8 } from '../base/bytes.ts'
import { ByteReader } from './byte-reader.ts'
import type { Command_Kind } from './gen/internal.ts'
import { varintSize, writeVarint } from './varint.ts'

/** Who asks for a command, as `leasehold.Command` has it: all zero and false is nobody who is known. */
export interface CommandCaller {
  readonly userId: number
  readonly tokenRevision: number
  readonly byMember: boolean
  readonly tokenIds: readonly Uint8Array[]
  readonly tokenIssuedMs: number
  readonly groups: readonly string[]
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
const tokenIdTag = 0x42
const tokenIssuedTag = 0x48
const groupTag = 0x52

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
  const groups = caller.groups.map(utf8)
  const callerBytes = callerSize(caller, groups)
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
  if (callerBytes > 0) writeCaller(bytes, at + request.length, caller, groups)
  return bytes
}

const numberSize = (value: number): number => (value === 0 ? 0 : 1 + varintSize(value))
const bytesSize = ({ length }: Uint8Array): number => 1 + varintSize(length) + length

function callerSize(caller: CommandCaller, groups: readonly Uint8Array[]): number {
  const { userId, tokenRevision, byMember, tokenIds, tokenIssuedMs } = caller
  let size = numberSize(userId) + numberSize(tokenRevision) + (byMember ? 2 : 0) + numberSize(tokenIssuedMs)
  for (const id of tokenIds) size += bytesSize(id)
  for (const group of groups) size += bytesSize(group)
  return size
}

function writeCaller(bytes: Buffer, start: number, caller: CommandCaller, groups: readonly Uint8Array[]): void {
  let at = start
  const writeNumber = (tag: number, value: number): void => {
    if (value === 0) return
    bytes[at] = tag
    at = writeVarint(bytes, at + 1, value)
  }
  const writeBytes = (tag: number, value: Uint8Array): void => {
    bytes[at] = tag
    at = writeVarint(bytes, at + 1, value.length)
    bytes.set(value, at)
    at += value.length
  }
  writeNumber(userIdTag, caller.userId)
  writeNumber(tokenRevisionTag, caller.tokenRevision)
  writeNumber(byMemberTag, caller.byMember ? 1 : 0)
  for (const id of caller.tokenIds) writeBytes(tokenIdTag, id)
  writeNumber(tokenIssuedTag, caller.tokenIssuedMs)
  for (const group of groups) writeBytes(groupTag, group)
}

const none: readonly never[] = []

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
  let tokenIds: readonly Uint8Array[] = none
  let tokenIssuedMs = 0
  let groups: readonly string[] = none
  while (!reader.done) {
    const tag = reader.varint()
    if (tag === 0x09) proposalId = reader.fixed64()
    else if (tag === 0x11) proposer = reader.fixed64()
    else if (tag === 0x18) kind = reader.varint()
    else if (tag === 0x22) request = reader.bytes()
    else if (tag === userIdTag) userId = reader.varint()
    else if (tag === tokenRevisionTag) tokenRevision = reader.varint()
    else if (tag === byMemberTag) byMember = reader.bool()
    else if (tag === tokenIdTag) tokenIds = [...tokenIds, reader.bytes()]
    else if (tag === tokenIssuedTag) tokenIssuedMs = reader.varint()
    else if (tag === groupTag) groups = [...groups, Buffer.from(reader.bytes()).toString('utf8')]
    else reader.skip(tag)
  }
  const caller = { userId, tokenRevision, byMember, tokenIds, tokenIssuedMs, groups }
  return { proposalId, proposer, kind, request, caller }
}
