import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { CommittedBatch, Outcome, WatchEvent } from '../../../src/apply/outcome.ts'
import { anonymous, type Caller, memberCaller, type TokenMark } from '../../../src/auth/caller.ts'
import { InvariantError } from '../../../src/base/assert.ts'
import { type LeaseId, leaseId, memberId } from '../../../src/base/ids.ts'
import { EtcdError, type EtcdErrorReason, etcdErrors } from '../../../src/errors.ts'
import type { WriteKind } from '../../../src/service/member.ts'
import {
  type CoreRecords,
  encodeCommitted,
  readCoreRecords,
  writeCoreRecords,
} from '../../../src/threads/core-records.ts'
import { RecordWriter } from '../../../src/threads/record-writer.ts'
import { readThreadRecords, type ThreadRecords, writeThreadRecords } from '../../../src/threads/thread-records.ts'

/** Writes down calls as plain values, bytes as hex and errors as text. */
function recorder<T extends object>(): { calls: unknown[]; to: T } {
  const calls: unknown[] = []
  const to = new Proxy({} as T, {
    get:
      (_, name) =>
      (...parameters: unknown[]) =>
        void calls.push([name, ...parameters.map(plain)]),
  })
  return { calls, to }
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (value instanceof EtcdError) return `etcd ${value.reason}`
  if (value instanceof Error) return 'error'
  if (Array.isArray(value)) return value.map(plain)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]))
}

const call = fc.nat(2 ** 32 - 1)
const integer = fc.maxSafeNat()
const bytes = fc.uint8Array({ maxLength: 3000 })
const lease: fc.Arbitrary<LeaseId> = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map(leaseId)
const member = fc.bigInt(0n, 2n ** 64n - 1n).map(memberId)
const kind = fc.constantFrom<WriteKind>('put', 'deleteRange', 'txn', 'compact', 'leaseGrant', 'leaseRevoke', 'auth')
const positive = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
const ids = fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 3 })
const mark: fc.Arbitrary<TokenMark> = fc.oneof(
  fc.record({ revision: fc.constant(null), issuedMs: positive, ids }),
  fc.record({ revision: positive, issuedMs: integer, ids }),
)
const caller: fc.Arbitrary<Caller> = fc.oneof(
  fc.constantFrom(anonymous, memberCaller),
  fc
    .tuple(positive, fc.option(mark, { nil: null }))
    .map(([id, token]): Caller => ({ kind: 'user', id, token, scope: null })),
  fc
    .tuple(fc.array(fc.string(), { minLength: 1, maxLength: 3 }), mark)
    .map(([groups, token]): Caller => ({ kind: 'groups', name: '', groups, token, scope: null })),
)
const reason = fc.constantFrom(...(Object.keys(etcdErrors) as EtcdErrorReason[]))

type Call<T> = { [K in keyof T]: T[K] extends (...parameters: infer P) => void ? readonly [K, ...P] : never }[keyof T]

const threadCall: fc.Arbitrary<Call<ThreadRecords>> = fc.oneof(
  fc.tuple(fc.constant('propose' as const), call, kind, bytes, caller),
  fc.tuple(fc.constant('readBarrier' as const), call),
  fc.tuple(fc.constant('renewLease' as const), call, lease),
  fc.tuple(fc.constant('leaseTimes' as const), call, lease),
  fc.tuple(fc.constant('leaseExpiries' as const), call),
  fc.tuple(fc.constant('status' as const), call),
  fc.tuple(fc.constant('interest' as const), fc.boolean()),
  fc.tuple(fc.constant('released' as const), call),
  fc.tuple(fc.constant('consumed' as const), integer),
)

const event: fc.Arbitrary<WatchEvent> = fc.record({
  main: integer,
  sub: call,
  type: fc.constantFrom('put' as const, 'delete' as const),
  key: bytes,
  created: fc.boolean(),
  previous: fc.option(fc.record({ main: integer, sub: call }), { nil: null }),
  encoded: bytes,
})
const batch: fc.Arbitrary<CommittedBatch> = fc.record({
  appliedIndex: integer,
  revision: integer,
  compactRevision: integer,
  events: fc.array(event, { maxLength: 5 }),
  replaced: fc.boolean(),
})
const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  fc.record({ ok: fc.constant(true as const), revision: integer, body: bytes }),
  fc.record({ ok: fc.constant(false as const), revision: integer, reason }),
)
const coreCall: fc.Arbitrary<Call<CoreRecords>> = fc.oneof(
  fc.tuple(fc.constant('outcome' as const), call, outcome),
  fc.tuple(
    fc.constant('failed' as const),
    call,
    fc.oneof(
      reason.map((name) => new EtcdError(name)),
      fc.string().map((text) => new Error(text)),
    ),
  ),
  fc.tuple(fc.constant('barrier' as const), call, integer),
  fc.tuple(fc.constant('leaseRenewed' as const), call, integer),
  fc.tuple(
    fc.constant('leaseTimes' as const),
    call,
    fc.record({ ttlSeconds: fc.integer(), grantedTtlSeconds: integer }),
  ),
  fc.tuple(fc.constant('leaseExpiries' as const), call, bytes),
  fc.tuple(
    fc.constant('status' as const),
    call,
    fc.record({
      leader: member,
      term: integer,
      committedIndex: integer,
      appliedIndex: integer,
      isLearner: fc.boolean(),
      sizeAllocatedBytes: integer,
      sizeInUseBytes: integer,
    }),
  ),
  fc.tuple(fc.constant('committed' as const), batch, fc.constant(true)),
  fc.tuple(fc.constant('leader' as const), member, integer),
  fc.tuple(fc.constant('stateReplaced' as const), call, fc.string({ unit: 'grapheme' })),
)

const invoke = (target: object, [name, ...parameters]: readonly [string, ...unknown[]]): void =>
  (target as Record<string, (...parameters: unknown[]) => void>)[name]!(...parameters)

function writeCore(writer: RecordWriter, calls: readonly Call<CoreRecords>[]): void {
  const records = writeCoreRecords(writer)
  for (const one of calls) {
    if (one[0] === 'committed') writer.raw(encodeCommitted(one[1], one[2]))
    else invoke(records, one)
  }
}

test('records of a thread arrive as they were written, in order', () => {
  fc.assert(
    fc.property(fc.array(threadCall, { maxLength: 40 }), (calls) => {
      const writer = new RecordWriter()
      const records = writeThreadRecords(writer)
      for (const one of calls) invoke(records, one)
      const { calls: seen, to } = recorder<ThreadRecords>()
      readThreadRecords(writer.take(), to)
      assert.deepEqual(seen, calls.map(plain))
    }),
  )
})

test('records of the core arrive as they were written, in order', () => {
  fc.assert(
    fc.property(fc.array(coreCall, { maxLength: 40 }), (calls) => {
      const writer = new RecordWriter()
      writeCore(writer, calls)
      const { calls: seen, to } = recorder<CoreRecords>()
      readCoreRecords(writer.take(), to)
      assert.deepEqual(seen, calls.map(plain))
    }),
  )
})

test('a batch without its events says so', () => {
  const { calls, to } = recorder<CoreRecords>()
  const writer = new RecordWriter()
  writer.raw(encodeCommitted({ appliedIndex: 9, revision: 8, compactRevision: 7, events: [], replaced: true }, false))
  readCoreRecords(writer.take(), to)
  assert.deepEqual(calls, [
    ['committed', { appliedIndex: 9, revision: 8, compactRevision: 7, events: [], replaced: true }, false],
  ])
})

test('a writer goes on after its buffer was taken', () => {
  const writer = new RecordWriter()
  const records = writeThreadRecords(writer)
  const big = new Uint8Array(100_000).fill(7)
  for (const request of [big, new Uint8Array(1), big]) {
    records.propose(1, 'put', request, anonymous)
    const { calls, to } = recorder<ThreadRecords>()
    readThreadRecords(writer.take(), to)
    assert.deepEqual(calls, [plain(['propose', 1, 'put', request, anonymous])])
    assert.ok(writer.isEmpty)
  }
})

/** A damaged message is a bug: it must be seen, and nothing outside of it may be read. */
const readsOrAsserts = (read: () => void): void => {
  try {
    read()
  } catch (error) {
    assert.ok(error instanceof InvariantError, String(error))
  }
}

test('damaged messages are refused as broken invariants, never read beyond their end', () => {
  fc.assert(
    fc.property(
      fc.array(coreCall, { minLength: 1, maxLength: 5 }),
      fc.array(threadCall, { minLength: 1, maxLength: 5 }),
      fc.nat(),
      fc.nat(255),
      (coreCalls, threadCalls, where, damage) => {
        const forThread = new RecordWriter()
        writeCore(forThread, coreCalls)
        const forCore = new RecordWriter()
        for (const one of threadCalls) invoke(writeThreadRecords(forCore), one)
        for (const [message, read] of [
          [forThread.take(), (buffer: ArrayBuffer) => readCoreRecords(buffer, recorder<CoreRecords>().to)],
          [forCore.take(), (buffer: ArrayBuffer) => readThreadRecords(buffer, recorder<ThreadRecords>().to)],
        ] as const) {
          const used = new DataView(message).getUint32(0, true)
          const damaged = message.slice(0)
          new Uint8Array(damaged)[where % used] = damage
          readsOrAsserts(() => read(damaged))
          readsOrAsserts(() => read(message.slice(0, where % used)))
        }
      },
    ),
  )
})

for (const { name, message } of [
  { name: 'nothing at all', message: [] },
  { name: 'a length beyond the buffer', message: [200, 0, 0, 0, 2] },
  { name: 'a length below the head', message: [1, 0, 0, 0] },
  { name: 'an unknown record', message: [5, 0, 0, 0, 99] },
  { name: 'a record cut short', message: [7, 0, 0, 0, 2, 1, 0] },
  { name: 'bytes said to be 4 GiB long', message: [14, 0, 0, 0, 1, 1, 0, 0, 0, 0, 255, 255, 255, 255] },
  { name: 'an unknown write kind', message: [14, 0, 0, 0, 1, 1, 0, 0, 0, 77, 0, 0, 0, 0] },
])
  test(`refused: ${name}`, () => {
    assert.throws(
      () => readThreadRecords(Uint8Array.from(message).buffer, recorder<ThreadRecords>().to),
      InvariantError,
    )
  })
