import { equalBytes } from '../../src/base/bytes.ts'
import { type KeyRange, rangeContains, rangeFromWire } from '../../src/base/key-range.ts'
import type { DeleteRangeRequest, RequestOp } from '../../src/wire/gen/rpc.ts'
import { nul } from './values.ts'

interface Writes {
  readonly puts: Set<string>
  readonly deletes: KeyRange[]
}

/**
 * Whether etcd 3.4 refuses a branch for writing a key twice. Its search goes through the operations in an order of its
 * own, and forgets the puts of one nested transaction when it comes to the deletes of the next.
 *
 * @param seesOpenDeletes false: as etcd does it, for which a delete from a key to the end deletes nothing.
 * @source etcd etcdserver/api/v3rpc/key.go, checkIntervals.
 */
export const isRefusedByEtcd = (branch: readonly RequestOp[], seesOpenDeletes: boolean): boolean =>
  writesOf(branch, seesOpenDeletes) === null

/** Null if the branch is refused. */
function writesOf(branch: readonly RequestOp[], seesOpenDeletes: boolean): Writes | null {
  const puts = new Set<string>()
  const deletes: KeyRange[] = []
  const isDeleted = (key: string): boolean => deletes.some((range) => rangeContains(range, Buffer.from(key, 'latin1')))
  for (const { request } of branch) {
    if (request?.$case !== 'request_delete_range') continue
    if (seesOpenDeletes || !isOpen(request.value))
      deletes.push(rangeFromWire(request.value.key, request.value.range_end))
  }
  for (const { request } of branch) {
    if (request?.$case !== 'request_txn') continue
    const success = writesOf(request.value.success, seesOpenDeletes)
    const failure = writesOf(request.value.failure, seesOpenDeletes)
    if (success === null || failure === null) return null
    for (const key of new Set([...success.puts, ...failure.puts])) {
      if (puts.has(key) || isDeleted(key)) return null
      puts.add(key)
    }
    deletes.push(...success.deletes, ...failure.deletes)
  }
  for (const { request } of branch) {
    if (request?.$case !== 'request_put') continue
    const key = Buffer.from(request.value.key).toString('latin1')
    if (puts.has(key) || isDeleted(key)) return null
    puts.add(key)
  }
  return { puts, deletes }
}

const isOpen = ({ range_end }: DeleteRangeRequest): boolean => equalBytes(range_end, nul)
