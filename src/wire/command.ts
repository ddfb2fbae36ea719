import { emptyBytes } from '../base/bytes.ts'
import { ByteReader } from './byte-reader.ts'
import type { Command_Kind } from './gen/internal.ts'
import { varintSize, writeVarint } from './varint.ts'

/** `leasehold.Command` with `kind` not yet checked. */
export interface DecodedCommand {
  readonly proposalId: bigint
  readonly proposer: bigint
  readonly kind: Command_Kind | number
  readonly request: Uint8Array
}

/**
 * `leasehold.Command` in one allocation and one copy of the request; readers cannot tell it from the generated encoding
 * (unit test), which spends most of its time on a growing buffer.
 */
export function encodeCommand(
  proposalId: bigint,
  proposer: bigint,
  kind: Command_Kind,
  request: Uint8Array,
): Uint8Array {
  const bytes = Buffer.allocUnsafe(18 + 1 + varintSize(kind) + 1 + varintSize(request.length) + request.length)
  bytes[0] = 0x09
  bytes.writeBigUInt64LE(proposalId, 1)
  bytes[9] = 0x11
  bytes.writeBigUInt64LE(proposer, 10)
  bytes[18] = 0x18
  let at = writeVarint(bytes, 19, kind)
  bytes[at] = 0x22
  at = writeVarint(bytes, at + 1, request.length)
  bytes.set(request, at)
  return bytes
}

/** Equal to the generated decoder on every input (unit test); several times faster, for every entry is decoded once. */
export function decodeCommand(bytes: Uint8Array): DecodedCommand {
  const reader = new ByteReader(bytes)
  let proposalId = 0n
  let proposer = 0n
  let kind = 0
  let request: Uint8Array = emptyBytes
  while (!reader.done) {
    const tag = reader.varint()
    if (tag === 0x09) proposalId = reader.fixed64()
    else if (tag === 0x11) proposer = reader.fixed64()
    else if (tag === 0x18) kind = reader.varint()
    else if (tag === 0x22) request = reader.bytes()
    else reader.skip(tag)
  }
  return { proposalId, proposer, kind, request }
}
