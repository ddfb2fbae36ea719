import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Applied } from '../../../src/apply/apply.ts'
import { leaseId } from '../../../src/base/ids.ts'
import { EtcdError } from '../../../src/errors.ts'
import { leaseKeys } from '../../../src/lease/records.ts'
import { compactBatch } from '../../../src/mvcc/compaction.ts'
import { range } from '../../../src/mvcc/range.ts'
import { allAtOnce } from '../../../src/mvcc/steps.ts'
import { DeleteRangeResponse, PutResponse, RangeResponse, TxnResponse } from '../../../src/wire/gen/rpc.ts'
import { deleteRequests, putRequests, rangeRequests, txnRequests } from '../../support/arbitrary-requests.ts'
import { Store, txnRequest } from '../../support/commands.ts'
import { ModelStore } from '../../support/model-store.ts'

const steps = fc.oneof(
  { weight: 6, arbitrary: putRequests.map((request) => ({ kind: 'put' as const, request })) },
  { weight: 2, arbitrary: deleteRequests.map((request) => ({ kind: 'delete' as const, request })) },
  { weight: 5, arbitrary: txnRequests.map((request) => ({ kind: 'txn' as const, request })) },
  { weight: 6, arbitrary: rangeRequests.map((request) => ({ kind: 'range' as const, request })) },
  { weight: 1, arbitrary: fc.bigInt(-1n, 20n).map((revision) => ({ kind: 'compact' as const, revision })) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 5 }).map((batch) => ({ kind: 'remove' as const, batch })) },
  { weight: 1, arbitrary: fc.constantFrom(11n, 12n).map((id) => ({ kind: 'grant' as const, id })) },
  { weight: 1, arbitrary: fc.constantFrom(11n, 12n).map((id) => ({ kind: 'revoke' as const, id })) },
)

/** Views into buffers become plain bytes, so that deep equality compares contents only. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, field) =>
      typeof field === 'bigint'
        ? `${field}n`
        : field instanceof Uint8Array
          ? Buffer.from(field).toString('hex')
          : field,
    ).replaceAll(/\{"type":"Buffer","data":\[([\d,]*)\]\}/g, (_, list: string) =>
      JSON.stringify(Buffer.from(list === '' ? [] : list.split(',').map(Number)).toString('hex')),
    ),
  )

const same = (actual: unknown, expected: unknown): void => assert.deepEqual(plain(actual), plain(expected))

type Answer = { readonly refused: string } | { readonly answer: unknown }

function attempt(run: () => unknown): Answer {
  try {
    return { answer: run() }
  } catch (error) {
    if (error instanceof EtcdError) return { refused: error.reason }
    if (error instanceof Error && /^[a-zA-Z]+$/.test(error.message)) return { refused: error.message }
    throw error
  }
}

const answerOf = ({ outcome }: Applied, decode: (body: Uint8Array) => unknown): Answer =>
  outcome!.ok ? { answer: decode(outcome!.body) } : { refused: outcome!.reason }

function runStep(store: Store, model: ModelStore, step: typeof steps extends fc.Arbitrary<infer T> ? T : never): void {
  switch (step.kind) {
    case 'put': {
      const applied = store.put(step.request)
      const expected = attempt(() => {
        if (step.request.lease !== 0n && !model.leases.has(step.request.lease)) throw new Error('leaseNotFound')
        return firstResponse(model, { $case: 'request_put', value: step.request })
      })
      return same(answerOf(applied, PutResponse.decode), expected)
    }
    case 'delete': {
      const applied = store.delete(step.request)
      const expected = attempt(() => firstResponse(model, { $case: 'request_delete_range', value: step.request }))
      return same(answerOf(applied, DeleteRangeResponse.decode), expected)
    }
    case 'txn': {
      const applied = store.txn(step.request)
      return same(
        answerOf(applied, TxnResponse.decode),
        attempt(() => ({ header: undefined, ...model.txn(step.request) })),
      )
    }
    case 'range': {
      const actual = attempt(() => RangeResponse.decode(allAtOnce(range(store.view, step.request)).body.join()))
      const expected = attempt(() => {
        const at = step.request.revision <= 0n ? model.revision : Number(step.request.revision)
        if (at > model.revision) throw new Error('futureRevision')
        if (at < model.compacted) throw new Error('compacted')
        return { header: undefined, ...model.range(step.request, at) }
      })
      return same(actual, expected)
    }
    case 'compact': {
      const applied = store.compact(step.revision)
      return same(
        answerOf(applied, () => true),
        attempt(() => {
          model.compact(Number(step.revision))
          return true
        }),
      )
    }
    case 'remove':
      compactBatch(store.view, step.batch)
      return
    case 'grant': {
      const applied = store.grant(step.id, 60n)
      assert.equal(applied.outcome!.ok, !model.leases.has(step.id))
      model.leases.add(step.id)
      return
    }
    case 'revoke': {
      const applied = store.revoke(step.id)
      assert.equal(applied.outcome!.ok, model.leases.has(step.id))
      if (model.leases.has(step.id)) model.revokeLease(step.id)
    }
  }
}

/** What a single operation answers: a transaction of just that, without the header of the inner response. */
function firstResponse(
  model: ModelStore,
  request: Parameters<ModelStore['txn']>[0]['success'][number]['request'],
): unknown {
  const [op] = model.txn(txnRequest({ success: [{ request }] })).responses
  return { ...op!.response!.value, header: undefined }
}

test('apply and range answer as the model does, step by step', () => {
  fc.assert(
    fc.property(fc.array(steps, { minLength: 1, maxLength: 60, size: 'max' }), (all) => {
      const store = new Store()
      const model = new ModelStore()
      for (const step of all) runStep(store, model, step)
      for (const id of [11n, 12n]) {
        const attached = [...model.states[model.revision]!.values()].filter((kv) => kv.lease === id).map((kv) => kv.key)
        same(leaseKeys(store.view, leaseId(id)), attached.sort(Buffer.compare))
      }
    }),
    { numRuns: 150 },
  )
})
