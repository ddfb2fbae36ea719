import type { RequestOp, TxnRequest } from '../../src/wire/gen/rpc.ts'

/** All transactions that have one compare or operation less, at any depth, or a nested transaction for its parent. */
export function* smallerTxns(txn: TxnRequest): Generator<TxnRequest> {
  for (const compare of without(txn.compare)) yield { ...txn, compare }
  for (const branch of ['success', 'failure'] as const) {
    const ops = txn[branch]
    if (ops.length > 8) {
      yield { ...txn, [branch]: ops.slice(0, ops.length / 2) }
      yield { ...txn, [branch]: ops.slice(ops.length / 2) }
    }
    for (const fewer of without(ops)) yield { ...txn, [branch]: fewer }
    for (const [index, { request }] of ops.entries()) {
      if (request?.$case !== 'request_txn') continue
      yield request.value
      for (const value of smallerTxns(request.value)) {
        const op: RequestOp = { request: { $case: 'request_txn', value } }
        yield { ...txn, [branch]: ops.with(index, op) }
      }
    }
  }
}

function* without<T>(items: readonly T[]): Generator<T[]> {
  for (const index of items.keys()) yield items.toSpliced(index, 1)
}
