import { type Caller, callerFields, callerOfFields } from '../auth/caller.ts'
import { unreachable } from '../base/assert.ts'
import { utf8 } from '../base/bytes.ts'
import { type LeaseId, leaseId } from '../base/ids.ts'
import type { WriteKind } from '../service/member.ts'
import type { CommandCaller } from '../wire/command.ts'
import { RecordReader } from './record-reader.ts'
import type { RecordWriter } from './record-writer.ts'

/** What a serving thread tells the core. `call` names a question until its answer has come. */
export interface ThreadRecords {
  propose(call: number, kind: WriteKind, request: Uint8Array, caller: Caller): void
  readBarrier(call: number): void
  renewLease(call: number, id: LeaseId): void
  leaseTimes(call: number, id: LeaseId): void
  leaseExpiries(call: number): void
  status(call: number): void
  /** Whether batches should bring their events. */
  interest(wantsEvents: boolean): void
  /** The state of that generation and all older ones are closed. */
  released(generation: number): void
  /** Bytes of messages taken since the last such record. */
  consumed(bytes: number): void
}

const writeKinds = [
  'put',
  'deleteRange',
  'txn',
  'compact',
  'leaseGrant',
  'leaseRevoke',
  'auth',
] as const satisfies WriteKind[]
const kindNumbers: Record<WriteKind, number> = {
  put: 0,
  deleteRange: 1,
  txn: 2,
  compact: 3,
  leaseGrant: 4,
  leaseRevoke: 5,
  auth: 6,
}

const tags = {
  propose: 1,
  readBarrier: 2,
  renewLease: 3,
  leaseTimes: 4,
  status: 5,
  interest: 6,
  released: 7,
  consumed: 8,
  leaseExpiries: 9,
}

export const writeThreadRecords = (writer: RecordWriter): ThreadRecords => ({
  propose(call, kind, request, caller) {
    writer.uint8(tags.propose).uint32(call).uint8(kindNumbers[kind]).bytes(request)
    writeCaller(writer, callerFields(caller))
  },
  readBarrier: (call) => void writer.uint8(tags.readBarrier).uint32(call),
  renewLease: (call, id) => void writer.uint8(tags.renewLease).uint32(call).id(id),
  leaseTimes: (call, id) => void writer.uint8(tags.leaseTimes).uint32(call).id(id),
  leaseExpiries: (call) => void writer.uint8(tags.leaseExpiries).uint32(call),
  status: (call) => void writer.uint8(tags.status).uint32(call),
  interest: (wantsEvents) => void writer.uint8(tags.interest).uint8(wantsEvents ? 1 : 0),
  released: (generation) => void writer.uint8(tags.released).uint32(generation),
  consumed: (bytes) => void writer.uint8(tags.consumed).double(bytes),
})

function writeCaller(writer: RecordWriter, fields: CommandCaller): void {
  const { userId, tokenRevision, byMember, tokenIds, tokenIssuedMs, groups } = fields
  writer
    .double(userId)
    .double(tokenRevision)
    .uint8(byMember ? 1 : 0)
  const hasMore = tokenIds.length > 0 || groups.length > 0 || tokenIssuedMs > 0
  writer.uint8(hasMore ? 1 : 0)
  if (!hasMore) return
  writer.double(tokenIssuedMs).uint32(tokenIds.length)
  for (const id of tokenIds) writer.bytes(id)
  writer.uint32(groups.length)
  for (const group of groups) writer.bytes(utf8(group))
}

/** A caller without a token, or with a simple one, is no more than numbers. */
function readCaller(reader: RecordReader): Caller {
  const userId = reader.integer()
  const tokenRevision = reader.integer()
  const byMember = reader.uint8() === 1
  const hasMore = reader.uint8() === 1
  if (!hasMore) return callerOfFields({ userId, tokenRevision, byMember, tokenIssuedMs: 0, tokenIds: [], groups: [] })
  const tokenIssuedMs = reader.integer()
  // The message's memory is not kept for as long as the caller is.
  const tokenIds = Array.from({ length: reader.uint32() }, () => Uint8Array.from(reader.bytes()))
  const groups = Array.from({ length: reader.uint32() }, () => Buffer.from(reader.bytes()).toString('utf8'))
  return callerOfFields({ userId, tokenRevision, byMember, tokenIssuedMs, tokenIds, groups })
}

/** @throws InvariantError if the message is not what `writeThreadRecords` makes. */
export function readThreadRecords(message: ArrayBuffer, to: ThreadRecords): void {
  const reader = new RecordReader(message)
  while (reader.more) {
    const tag = reader.uint8()
    switch (tag) {
      case tags.propose: {
        const call = reader.uint32()
        const kind = writeKinds[reader.uint8()]
        if (kind === undefined) unreachable(kind as never, 'write kind between threads')
        to.propose(call, kind, reader.bytes(), readCaller(reader))
        break
      }
      case tags.readBarrier:
        to.readBarrier(reader.uint32())
        break
      case tags.renewLease:
        to.renewLease(reader.uint32(), leaseId(reader.signedId()))
        break
      case tags.leaseTimes:
        to.leaseTimes(reader.uint32(), leaseId(reader.signedId()))
        break
      case tags.leaseExpiries:
        to.leaseExpiries(reader.uint32())
        break
      case tags.status:
        to.status(reader.uint32())
        break
      case tags.interest:
        to.interest(reader.uint8() === 1)
        break
      case tags.released:
        to.released(reader.uint32())
        break
      case tags.consumed:
        to.consumed(reader.integer())
        break
      default:
        unreachable(tag as never, 'record from a serving thread')
    }
  }
}
