import type { CommittedBatch, Outcome, WatchEvent } from '../apply/outcome.ts'
import { assert, unreachable } from '../base/assert.ts'
import { type Index, type MemberId, memberId, type Term } from '../base/ids.ts'
import { EtcdError, type EtcdErrorReason, etcdErrors } from '../errors.ts'
import type { LeaseTimes, MemberStatus } from '../service/member.ts'
import { RecordReader } from './record-reader.ts'
import { RecordWriter } from './record-writer.ts'

/** What the core tells a serving thread. `call` is the question that is answered. */
export interface CoreRecords {
  outcome(call: number, outcome: Outcome): void
  failed(call: number, error: Error): void
  barrier(call: number, index: Index): void
  leaseRenewed(call: number, ttlSeconds: number): void
  leaseTimes(call: number, times: LeaseTimes): void
  leaseExpiries(call: number, rows: Uint8Array): void
  status(call: number, status: MemberStatus): void
  /** @param withEvents false: the batch may have had events, which are left out. */
  committed(batch: CommittedBatch, withEvents: boolean): void
  leader(leader: MemberId, term: Term): void
  /** The state of all batches after this lies at `path`; the thread answers `released` when it has let go of the old one. */
  stateReplaced(generation: number, path: string): void
}

const tags = {
  outcome: 1,
  refusal: 2,
  failed: 3,
  barrier: 4,
  leaseRenewed: 5,
  leaseTimes: 6,
  status: 7,
  committed: 8,
  leader: 9,
  stateReplaced: 10,
  leaseExpiries: 11,
}
const batchFlags = { replaced: 1, withEvents: 2, rulesChanged: 4 }
const eventFlags = { delete: 1, created: 2, previous: 4 }

/** Both ends are the same program, so the place in the error table names a reason. */
const reasons = Object.keys(etcdErrors) as EtcdErrorReason[]
const reasonNumbers = new Map(reasons.map((reason, number) => [reason, number]))
const noReason = 0xff
assert(reasons.length < noReason, 'every reason has a number of one byte')

const reasonAt = (number: number): EtcdErrorReason => {
  const reason = reasons[number]
  assert(reason !== undefined, 'a refusal between threads has a known reason')
  return reason
}

/** `committed` is not here: see `encodeCommitted`. */
export const writeCoreRecords = (writer: RecordWriter): Omit<CoreRecords, 'committed'> => ({
  outcome(call, outcome) {
    if (outcome.ok) writer.uint8(tags.outcome).uint32(call).double(outcome.revision).bytes(outcome.body)
    else {
      writer.uint8(tags.refusal).uint32(call).double(outcome.revision)
      writer.uint8(reasonNumbers.get(outcome.reason)!)
    }
  },
  failed(call, error) {
    writer.uint8(tags.failed).uint32(call)
    if (error instanceof EtcdError) writer.uint8(reasonNumbers.get(error.reason)!)
    else writer.uint8(noReason).text(error.stack ?? error.message)
  },
  barrier: (call, index) => void writer.uint8(tags.barrier).uint32(call).double(index),
  leaseRenewed: (call, ttlSeconds) => void writer.uint8(tags.leaseRenewed).uint32(call).double(ttlSeconds),
  leaseTimes: (call, times) =>
    void writer.uint8(tags.leaseTimes).uint32(call).double(times.ttlSeconds).double(times.grantedTtlSeconds),
  leaseExpiries: (call, rows) => void writer.uint8(tags.leaseExpiries).uint32(call).bytes(rows),
  status(call, status) {
    writer.uint8(tags.status).uint32(call).id(status.leader).double(status.term).double(status.committedIndex)
    writer.double(status.appliedIndex).uint8(status.isLearner ? 1 : 0)
    writer.double(status.sizeAllocatedBytes).double(status.sizeInUseBytes)
  },
  leader: (leader, term) => void writer.uint8(tags.leader).id(leader).double(term),
  stateReplaced: (generation, path) => void writer.uint8(tags.stateReplaced).uint32(generation).text(path),
})

/** One whole record, made once and copied to every thread that wants it. */
export function encodeCommitted(batch: CommittedBatch, withEvents: boolean): Uint8Array {
  const writer = new RecordWriter()
  writer.uint8(tags.committed).double(batch.appliedIndex).double(batch.revision).double(batch.compactRevision)
  writer.uint8(
    (batch.replaced ? batchFlags.replaced : 0) |
      (withEvents ? batchFlags.withEvents : 0) |
      (batch.rulesChanged === true ? batchFlags.rulesChanged : 0),
  )
  if (withEvents) {
    writer.uint32(batch.events.length)
    for (const event of batch.events) writeEvent(writer, event)
  }
  return writer.written()
}

function writeEvent(writer: RecordWriter, event: WatchEvent): void {
  const { previous } = event
  writer.double(event.main).uint32(event.sub)
  writer.uint8(
    (event.type === 'delete' ? eventFlags.delete : 0) |
      (event.created ? eventFlags.created : 0) |
      (previous === null ? 0 : eventFlags.previous),
  )
  if (previous !== null) writer.double(previous.main).uint32(previous.sub)
  writer.bytes(event.key).bytes(event.encoded)
}

function readEvent(reader: RecordReader): WatchEvent {
  const main = reader.integer()
  const sub = reader.uint32()
  const flags = reader.uint8()
  return {
    main,
    sub,
    type: (flags & eventFlags.delete) !== 0 ? 'delete' : 'put',
    created: (flags & eventFlags.created) !== 0,
    previous: (flags & eventFlags.previous) !== 0 ? { main: reader.integer(), sub: reader.uint32() } : null,
    key: reader.bytes(),
    encoded: reader.bytes(),
  }
}

function readCommitted(reader: RecordReader, to: CoreRecords): void {
  const appliedIndex = reader.integer()
  const revision = reader.integer()
  const compactRevision = reader.integer()
  const flags = reader.uint8()
  const withEvents = (flags & batchFlags.withEvents) !== 0
  const events: WatchEvent[] = []
  if (withEvents) for (let left = reader.uint32(); left > 0; left--) events.push(readEvent(reader))
  const replaced = (flags & batchFlags.replaced) !== 0
  const rulesChanged = (flags & batchFlags.rulesChanged) !== 0
  const batch = { appliedIndex, revision, compactRevision, events, replaced }
  to.committed(rulesChanged ? { ...batch, rulesChanged } : batch, withEvents)
}

function readError(reader: RecordReader): Error {
  const reason = reader.uint8()
  return reason === noReason ? new Error(`the core failed: ${reader.text()}`) : new EtcdError(reasonAt(reason))
}

const readStatus = (reader: RecordReader): MemberStatus => ({
  leader: memberId(reader.unsignedId()),
  term: reader.integer(),
  committedIndex: reader.integer(),
  appliedIndex: reader.integer(),
  isLearner: reader.uint8() === 1,
  sizeAllocatedBytes: reader.integer(),
  sizeInUseBytes: reader.integer(),
})

/** @throws InvariantError if the message is not what `writeCoreRecords` and `encodeCommitted` make. */
export function readCoreRecords(message: ArrayBuffer, to: CoreRecords): void {
  const reader = new RecordReader(message)
  while (reader.more) {
    const tag = reader.uint8()
    switch (tag) {
      case tags.outcome:
        to.outcome(reader.uint32(), { ok: true, revision: reader.integer(), body: reader.bytes() })
        break
      case tags.refusal:
        to.outcome(reader.uint32(), { ok: false, revision: reader.integer(), reason: reasonAt(reader.uint8()) })
        break
      case tags.failed:
        to.failed(reader.uint32(), readError(reader))
        break
      case tags.barrier:
        to.barrier(reader.uint32(), reader.integer())
        break
      case tags.leaseRenewed:
        to.leaseRenewed(reader.uint32(), reader.integer())
        break
      case tags.leaseTimes:
        to.leaseTimes(reader.uint32(), { ttlSeconds: reader.integer(), grantedTtlSeconds: reader.integer() })
        break
      case tags.leaseExpiries:
        to.leaseExpiries(reader.uint32(), reader.bytes())
        break
      case tags.status:
        to.status(reader.uint32(), readStatus(reader))
        break
      case tags.committed:
        readCommitted(reader, to)
        break
      case tags.leader:
        to.leader(memberId(reader.unsignedId()), reader.integer())
        break
      case tags.stateReplaced:
        to.stateReplaced(reader.uint32(), reader.text())
        break
      default:
        unreachable(tag as never, 'record from the core')
    }
  }
}
