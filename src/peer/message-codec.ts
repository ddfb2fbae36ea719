/**
 * Raft messages to and from `leasehold.RaftMessage` of wire/proto/internal.proto, by hand: with batches of hundreds of
 * entries this is most of what a peer connection does, and the generated code makes two bigints and a writer per entry.
 * A test holds it against the generated code in both directions.
 */
import { type Index, type MemberId, memberId, type Term } from '../base/ids.ts'
import type { Entry, Message, Proposal, SnapshotMeta } from '../raft/types.ts'
import { MessageKind } from '../raft/types.ts'
import { PeerProtocolError } from './frame.ts'
import { ProtoReader, varintSize, writeVarint } from './proto-bytes.ts'

const kindMax = Math.max(...Object.values(MessageKind))

/** Bytes that `encodeMessage` will write. */
export function messageSize(message: Message): number {
  let size = 2 + 9 + 9
  size += numberField(message.term)
  size += numberField(message.logTerm)
  size += numberField(message.index)
  size += numberField(message.commit)
  if (message.entries !== undefined) {
    for (const entry of message.entries) {
      const bytes = entrySize(entry)
      size += 1 + varintSize(bytes) + bytes
    }
  }
  if (message.reject === true) size += 2
  size += numberField(message.rejectHint)
  if (message.context !== undefined && message.context !== 0n) size += 9
  if (message.snapshot !== undefined) {
    const bytes = snapshotSize(message.snapshot)
    size += 1 + varintSize(bytes) + bytes
  }
  if (message.proposals !== undefined) {
    for (const proposal of message.proposals) {
      const bytes = proposalSize(proposal)
      size += 1 + varintSize(bytes) + bytes
    }
  }
  if (message.campaignTransfer === true) size += 2
  return size
}

/** Writes `message` into `out` from `offset` on, which has room for `messageSize(message)`. @returns the offset after it. */
export function encodeMessage(message: Message, out: Buffer, offset: number): number {
  let at = offset
  out[at++] = 0x08
  out[at++] = message.kind
  out[at++] = 0x11
  at = out.writeBigUInt64LE(message.from, at)
  out[at++] = 0x19
  at = out.writeBigUInt64LE(message.to, at)
  at = writeNumberField(out, at, 0x20, message.term)
  at = writeNumberField(out, at, 0x28, message.logTerm)
  at = writeNumberField(out, at, 0x30, message.index)
  at = writeNumberField(out, at, 0x38, message.commit)
  if (message.entries !== undefined) {
    for (const entry of message.entries) {
      out[at++] = 0x42
      at = writeVarint(out, at, entrySize(entry))
      at = writeNumberField(out, at, 0x08, entry.term)
      at = writeNumberField(out, at, 0x10, entry.index)
      at = writeTypedData(out, at, 0x18, 0x22, entry)
    }
  }
  if (message.reject === true) at = writeNumberField(out, at, 0x48, 1)
  at = writeNumberField(out, at, 0x50, message.rejectHint)
  if (message.context !== undefined && message.context !== 0n) {
    out[at++] = 0x59
    at = out.writeBigUInt64LE(message.context, at)
  }
  if (message.snapshot !== undefined) {
    out[at++] = 0x62
    at = writeVarint(out, at, snapshotSize(message.snapshot))
    at = writeSnapshot(out, at, message.snapshot)
  }
  if (message.proposals !== undefined) {
    for (const proposal of message.proposals) {
      out[at++] = 0x6a
      at = writeVarint(out, at, proposalSize(proposal))
      at = writeTypedData(out, at, 0x08, 0x12, proposal)
    }
  }
  if (message.campaignTransfer === true) at = writeNumberField(out, at, 0x70, 1)
  return at
}

/**
 * Reads one message. Entry and proposal data are views into `payload`. Numbers that are absent on the wire are 0; lists
 * are there for the kinds that carry them.
 *
 * @throws PeerProtocolError if the bytes are not a message that a correct member would send: unknown kind, unsafe
 * numbers, entries that do not follow each other, a snapshot message without its description.
 */
export function decodeMessage(payload: Buffer): Message {
  const reader = new ProtoReader(payload)
  let kind = 0
  let from = 0n
  let to = 0n
  let term: Term = 0
  let logTerm: Term = 0
  let index: Index = 0
  let commit: Index = 0
  const entries: Entry[] = []
  let reject = false
  let rejectHint: Index = 0
  let context = 0n
  let snapshot: SnapshotMeta | null = null
  const proposals: Proposal[] = []
  let campaignTransfer = false
  while (!reader.atEnd()) {
    const tag = reader.varint()
    switch (tag) {
      case 0x08:
        kind = reader.varint()
        break
      case 0x11:
        from = reader.fixed64()
        break
      case 0x19:
        to = reader.fixed64()
        break
      case 0x20:
        term = reader.varint()
        break
      case 0x28:
        logTerm = reader.varint()
        break
      case 0x30:
        index = reader.varint()
        break
      case 0x38:
        commit = reader.varint()
        break
      case 0x42:
        entries.push(readEntry(reader))
        break
      case 0x48:
        reject = reader.varint() !== 0
        break
      case 0x50:
        rejectHint = reader.varint()
        break
      case 0x59:
        context = reader.fixed64()
        break
      case 0x62:
        snapshot = readSnapshot(reader)
        break
      case 0x6a:
        proposals.push(readProposal(reader))
        break
      case 0x70:
        campaignTransfer = reader.varint() !== 0
        break
      default:
        reader.skip(tag)
    }
  }
  if (kind < 1 || kind > kindMax) throw new PeerProtocolError(`unknown message kind ${kind}`)
  checkEntries(entries, index, term)
  const message: Message = {
    kind: kind as MessageKind,
    from: from as MemberId,
    to: to as MemberId,
    term,
    logTerm,
    index,
    commit,
    entries,
    reject,
    rejectHint,
    context,
    campaignTransfer,
  }
  if (kind === MessageKind.Propose) return { ...message, proposals }
  if (snapshot !== null) return { ...message, snapshot }
  if (kind === MessageKind.Snapshot) throw new PeerProtocolError('snapshot message without its description')
  return message
}

/** Raft takes entries at their word: they follow the message's index without a gap, in terms that never fall. */
function checkEntries(entries: readonly Entry[], index: Index, messageTerm: Term): void {
  let term = 0
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i]!
    if (entry.index !== index + 1 + i) {
      throw new PeerProtocolError(`entry ${entry.index} where ${index + 1 + i} was due`)
    }
    if (entry.term < term || entry.term > messageTerm) {
      throw new PeerProtocolError(`entry ${entry.index} has term ${entry.term}, message term ${messageTerm}`)
    }
    term = entry.term
  }
}

function readEntry(reader: ProtoReader): Entry {
  const outerEnd = reader.enter()
  let term = 0
  let index = 0
  let type = 0
  let data: Uint8Array = noData
  while (!reader.atEnd()) {
    const tag = reader.varint()
    switch (tag) {
      case 0x08:
        term = reader.varint()
        break
      case 0x10:
        index = reader.varint()
        break
      case 0x18:
        type = reader.varint()
        break
      case 0x22:
        data = reader.bytes()
        break
      default:
        reader.skip(tag)
    }
  }
  reader.leave(outerEnd)
  return { term, index, type: entryType(type), data }
}

function readProposal(reader: ProtoReader): Proposal {
  const outerEnd = reader.enter()
  let type = 0
  let data: Uint8Array = noData
  while (!reader.atEnd()) {
    const tag = reader.varint()
    if (tag === 0x08) type = reader.varint()
    else if (tag === 0x12) data = reader.bytes()
    else reader.skip(tag)
  }
  reader.leave(outerEnd)
  return { type: entryType(type), data }
}

function readSnapshot(reader: ProtoReader): SnapshotMeta {
  const outerEnd = reader.enter()
  let index = 0
  let term = 0
  const voters: MemberId[] = []
  const learners: MemberId[] = []
  while (!reader.atEnd()) {
    const tag = reader.varint()
    if (tag === 0x08) index = reader.varint()
    else if (tag === 0x10) term = reader.varint()
    else if (tag === 0x1a) {
      const metaEnd = reader.enter()
      while (!reader.atEnd()) {
        const confTag = reader.varint()
        if (confTag === 0x0a) readIds(reader, voters)
        else if (confTag === 0x12) readIds(reader, learners)
        else if (confTag === 0x09) voters.push(memberId(reader.fixed64()))
        else if (confTag === 0x11) learners.push(memberId(reader.fixed64()))
        else reader.skip(confTag)
      }
      reader.leave(metaEnd)
    } else reader.skip(tag)
  }
  reader.leave(outerEnd)
  return { index, term, confState: { voters, learners } }
}

function readIds(reader: ProtoReader, into: MemberId[]): void {
  const outerEnd = reader.enter()
  while (!reader.atEnd()) into.push(memberId(reader.fixed64()))
  reader.leave(outerEnd)
}

function entryType(wire: number): 'normal' | 'confChange' {
  if (wire === 0) return 'normal'
  if (wire === 1) return 'confChange'
  throw new PeerProtocolError(`unknown entry type ${wire}`)
}

const noData = Buffer.alloc(0)

const numberField = (value: number | undefined): number =>
  value === undefined || value === 0 ? 0 : 1 + varintSize(value)

function writeNumberField(out: Buffer, at: number, tag: number, value: number | undefined): number {
  if (value === undefined || value === 0) return at
  out[at] = tag
  return writeVarint(out, at + 1, value)
}

const entrySize = (entry: Entry): number => numberField(entry.term) + numberField(entry.index) + proposalSize(entry)

function proposalSize(proposal: Proposal): number {
  const bytes = proposal.data.length
  return (proposal.type === 'confChange' ? 2 : 0) + (bytes === 0 ? 0 : 1 + varintSize(bytes) + bytes)
}

function writeTypedData(out: Buffer, offset: number, typeTag: number, dataTag: number, value: Proposal): number {
  let at = offset
  if (value.type === 'confChange') {
    out[at++] = typeTag
    out[at++] = 1
  }
  if (value.data.length > 0) {
    out[at++] = dataTag
    at = writeVarint(out, at, value.data.length)
    out.set(value.data, at)
    at += value.data.length
  }
  return at
}

const idsSize = (ids: readonly MemberId[]): number =>
  ids.length === 0 ? 0 : 1 + varintSize(8 * ids.length) + 8 * ids.length

const confStateSize = (meta: SnapshotMeta): number => idsSize(meta.confState.voters) + idsSize(meta.confState.learners)

function snapshotSize(meta: SnapshotMeta): number {
  const conf = confStateSize(meta)
  return numberField(meta.index) + numberField(meta.term) + 1 + varintSize(conf) + conf
}

function writeSnapshot(out: Buffer, offset: number, meta: SnapshotMeta): number {
  let at = writeNumberField(out, offset, 0x08, meta.index)
  at = writeNumberField(out, at, 0x10, meta.term)
  out[at++] = 0x1a
  at = writeVarint(out, at, confStateSize(meta))
  at = writeIds(out, at, 0x0a, meta.confState.voters)
  return writeIds(out, at, 0x12, meta.confState.learners)
}

function writeIds(out: Buffer, offset: number, tag: number, ids: readonly MemberId[]): number {
  if (ids.length === 0) return offset
  let at = offset
  out[at++] = tag
  at = writeVarint(out, at, 8 * ids.length)
  for (const id of ids) at = out.writeBigUInt64LE(id, at)
  return at
}
