import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { memberId } from '../../../src/base/ids.ts'
import { PeerProtocolError } from '../../../src/peer/frame.ts'
import { decodeMessage, encodeMessage, messageSize } from '../../../src/peer/message-codec.ts'
import { type Entry, type Message, MessageKind } from '../../../src/raft/types.ts'
import { RaftMessage } from '../../../src/wire/gen/internal.ts'

const encode = (message: Message): Buffer => {
  const out = Buffer.alloc(messageSize(message))
  assert.equal(encodeMessage(message, out, 0), out.length)
  return out
}

/** The slow, obvious twin: the generated code. */
const twin = (message: Message): Buffer =>
  Buffer.from(
    RaftMessage.encode({
      kind: message.kind,
      from: message.from,
      to: message.to,
      term: BigInt(message.term),
      log_term: BigInt(message.logTerm ?? 0),
      index: BigInt(message.index ?? 0),
      commit: BigInt(message.commit ?? 0),
      entries: (message.entries ?? []).map((each) => ({
        term: BigInt(each.term),
        index: BigInt(each.index),
        type: each.type === 'normal' ? 0 : 1,
        data: each.data,
      })),
      reject: message.reject ?? false,
      reject_hint: BigInt(message.rejectHint ?? 0),
      context: message.context ?? 0n,
      snapshot:
        message.snapshot === undefined
          ? undefined
          : {
              index: BigInt(message.snapshot.index),
              term: BigInt(message.snapshot.term),
              conf_state: {
                voters: [...message.snapshot.confState.voters],
                learners: [...message.snapshot.confState.learners],
              },
            },
      proposals: (message.proposals ?? []).map((each) => ({ type: each.type === 'normal' ? 0 : 1, data: each.data })),
      campaign_transfer: message.campaignTransfer ?? false,
    }).finish(),
  )

const number = fc.oneof(fc.maxSafeNat(), fc.nat(300), fc.constantFrom(0, 127, 128, 2 ** 31, 2 ** 32, 2 ** 53 - 1))
const id = fc.bigInt(1n, 2n ** 64n - 1n).map(memberId)
const data = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
const type = fc.constantFrom('normal' as const, 'confChange' as const)
const base = fc.record({
  from: id,
  to: id,
  term: number,
  logTerm: number,
  commit: number,
  context: fc.bigInt(0n, 2n ** 64n - 1n),
})

const append = fc
  .record({
    base,
    index: fc.nat(2 ** 40),
    payloads: fc.array(fc.record({ type, data }, { noNullPrototype: true }), { maxLength: 8 }),
  })
  .map(({ base, index, payloads }): Message => {
    const entries = payloads.map(({ type, data }, i): Entry => ({ term: base.term, index: index + 1 + i, type, data }))
    return { ...base, kind: MessageKind.Append, index, entries }
  })
const response = fc
  .record({ base, index: number, reject: fc.boolean(), rejectHint: number })
  .map(({ base, ...rest }): Message => ({ ...base, ...rest, kind: MessageKind.AppendResponse }))
const vote = fc
  .record({ base, index: number, campaignTransfer: fc.boolean() })
  .map(({ base, ...rest }): Message => ({ ...base, ...rest, kind: MessageKind.Vote }))
const propose = fc
  .record({ base, proposals: fc.array(fc.record({ type, data }, { noNullPrototype: true }), { maxLength: 5 }) })
  .map(({ base, proposals }): Message => ({ ...base, kind: MessageKind.Propose, proposals }))
const snapshot = fc
  .record({
    base,
    index: number,
    term: number,
    voters: fc.array(id, { maxLength: 7 }),
    learners: fc.array(id, { maxLength: 2 }),
  })
  .map(
    ({ base, index, term, voters, learners }): Message => ({
      ...base,
      kind: MessageKind.Snapshot,
      snapshot: { index, term, confState: { voters, learners } },
    }),
  )
const anyMessage = fc.oneof(append, response, vote, propose, snapshot)

const absent = {
  logTerm: 0,
  index: 0,
  commit: 0,
  entries: [],
  reject: false,
  rejectHint: 0,
  context: 0n,
  campaignTransfer: false,
}

test('every message is encoded as the generated code would', () => {
  fc.assert(fc.property(anyMessage, (message) => assert.deepEqual(encode(message), twin(message))))
})

test('every message survives the wire', () => {
  fc.assert(
    fc.property(anyMessage, (message) => assert.deepEqual(decodeMessage(encode(message)), { ...absent, ...message })),
  )
})

test('unpacked and unknown fields of other writers are read or passed over', () => {
  const bytes = encode({ kind: MessageKind.Heartbeat, from: memberId(1n), to: memberId(2n), term: 7 })
  const unknown = Buffer.from([0xf8, 0x01, 5, 0xfa, 0x01, 2, 9, 9, 0xf9, 0x01, 1, 2, 3, 4, 5, 6, 7, 8])
  assert.equal(decodeMessage(Buffer.concat([unknown, bytes, unknown])).term, 7)
})

test('data is not copied', () => {
  const message: Message = {
    kind: MessageKind.Append,
    from: memberId(1n),
    to: memberId(2n),
    term: 1,
    index: 4,
    entries: [{ term: 1, index: 5, type: 'normal', data: Buffer.from('hello') }],
  }
  const payload = encode(message)
  assert.equal(decodeMessage(payload).entries![0]!.data.buffer, payload.buffer)
})

test('any bytes are a message or a PeerProtocolError', () => {
  const check = (bytes: Uint8Array): void => {
    try {
      decodeMessage(Buffer.from(bytes))
    } catch (error) {
      assert.ok(error instanceof PeerProtocolError, String(error))
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), check), { numRuns: 2000 })
  fc.assert(
    fc.property(anyMessage, fc.nat(), fc.nat(255), (message, position, byte) => {
      const bytes = encode(message)
      bytes[position % bytes.length] = byte
      check(bytes)
      check(bytes.subarray(0, position % bytes.length))
    }),
    { numRuns: 2000 },
  )
})

const entry = (index: number, term: number): Entry => ({ index, term, type: 'normal', data: Buffer.alloc(0) })
const header = { kind: MessageKind.Append, from: memberId(1n), to: memberId(2n), term: 5, index: 10 }
for (const { name, message, reason } of [
  {
    name: 'a gap before the first entry',
    message: { ...header, entries: [entry(12, 5)] },
    reason: /entry 12 where 11/,
  },
  {
    name: 'a gap between entries',
    message: { ...header, entries: [entry(11, 5), entry(13, 5)] },
    reason: /13 where 12/,
  },
  { name: 'a falling term', message: { ...header, entries: [entry(11, 5), entry(12, 4)] }, reason: /has term 4/ },
  { name: 'an entry of a later term', message: { ...header, entries: [entry(11, 6)] }, reason: /has term 6/ },
  { name: 'an unknown kind', message: { ...header, kind: 14 as MessageKind }, reason: /unknown message kind 14/ },
  { name: 'no kind', message: { ...header, kind: 0 as MessageKind }, reason: /unknown message kind 0/ },
  {
    name: 'a snapshot without meta',
    message: { ...header, kind: MessageKind.Snapshot },
    reason: /without its description/,
  },
]) {
  test(`decoding refuses ${name}`, () => {
    assert.throws(() => decodeMessage(twin(message)), { name: 'PeerProtocolError', message: reason })
  })
}

test('numbers beyond the safe integers are refused', () => {
  const bytes = RaftMessage.encode({ ...RaftMessage.decode(new Uint8Array(0)), kind: 9, term: 2n ** 53n }).finish()
  assert.throws(() => decodeMessage(Buffer.from(bytes)), { name: 'PeerProtocolError', message: /too large/ })
})
