import { compareBytes } from '../base/bytes.ts'
import { isEmptyRange, type KeyRange, rangeFromWire } from '../base/key-range.ts'
import { EtcdError } from '../errors.ts'
import type { RequestOp } from './gen/rpc.ts'

/** What one operation of a branch writes. Operations are numbered within their branch. */
interface PutMark {
  readonly key: Uint8Array
  readonly op: number
}
interface DeleteMark {
  readonly range: KeyRange
  readonly op: number
}
interface Writes {
  readonly puts: PutMark[]
  readonly deletes: DeleteMark[]
}

/**
 * Refuses a branch in which two operations write the same key, unless both only delete. A nested transaction counts
 * as one operation that writes what either of its branches writes; the branches themselves exclude each other.
 * O(n log n) of all operations for each level of nesting.
 *
 * @throws EtcdError duplicateKey
 */
export function checkOverlaps(branch: readonly RequestOp[]): void {
  if (branch.length > 1 || branch[0]?.request?.$case === 'request_txn') collectWrites(branch)
}

function collectWrites(branch: readonly RequestOp[]): Writes {
  const writes: Writes = { puts: [], deletes: [] }
  for (let op = 0; op < branch.length; op++) {
    const request = branch[op]!.request
    if (request?.$case === 'request_put') writes.puts.push({ key: request.value.key, op })
    else if (request?.$case === 'request_delete_range') {
      const range = rangeFromWire(request.value.key, request.value.range_end)
      if (!isEmptyRange(range)) writes.deletes.push({ range, op })
    } else if (request?.$case === 'request_txn') {
      for (const nested of [request.value.success, request.value.failure]) {
        const { puts, deletes } = collectWrites(nested)
        for (const { key } of puts) writes.puts.push({ key, op })
        for (const { range } of deletes) writes.deletes.push({ range, op })
      }
    }
  }
  refuseConflicts(writes)
  return writes
}

function refuseConflicts({ puts, deletes }: Writes): void {
  if (puts.length === 0 || (puts.length === 1 && deletes.length === 0)) return
  puts.sort((a, b) => compareBytes(a.key, b.key))
  // For each put, where the run of neighbours that the same operation makes ends: a delete range skips its own puts.
  const runEnd = new Array<number>(puts.length)
  for (let i = puts.length - 1; i >= 0; i--) {
    const next = puts[i + 1]
    if (next !== undefined && next.op !== puts[i]!.op && compareBytes(next.key, puts[i]!.key) === 0) duplicate()
    runEnd[i] = next !== undefined && next.op === puts[i]!.op ? runEnd[i + 1]! : i + 1
  }
  for (const { range, op } of deletes) {
    let at = firstAtOrAfter(puts, range.start)
    if (at < puts.length && puts[at]!.op === op) at = runEnd[at]!
    if (at < puts.length && (range.end === null || compareBytes(puts[at]!.key, range.end) < 0)) duplicate()
  }
}

function firstAtOrAfter(puts: readonly PutMark[], key: Uint8Array): number {
  let low = 0
  let high = puts.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareBytes(puts[middle]!.key, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

function duplicate(): never {
  throw new EtcdError('duplicateKey')
}
