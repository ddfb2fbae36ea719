import { compareBytes } from '../../src/base/bytes.ts'
import { rangeContains, rangeFromWire } from '../../src/base/key-range.ts'
import type { KeyValue } from '../../src/wire/gen/kv.ts'
import type {
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  ResponseOp,
  TxnRequest,
} from '../../src/wire/gen/rpc.ts'

type Keys = ReadonlyMap<string, KeyValue>
export type ModelRange = { readonly kvs: KeyValue[]; readonly more: boolean; readonly count: bigint }

const header = (revision: number) => ({ cluster_id: 0n, member_id: 0n, revision: BigInt(revision), raft_term: 0n })

/** The slow, obvious twin of apply: keeps a full copy of the keyspace for every revision. Throws the refusal's reason. */
export class ModelStore {
  readonly states: Keys[] = [new Map(), new Map()]
  readonly leases = new Set<bigint>()
  /** As in etcd, -1 before the first compaction. */
  compacted = -1

  get revision(): number {
    return this.states.length - 1
  }

  range(request: RangeRequest, revision = this.revision, keys = this.states[revision]!): ModelRange {
    const keyRange = rangeFromWire(request.key, request.range_end)
    const inRange = [...keys.values()].filter((kv) => rangeContains(keyRange, kv.key))
    const count = BigInt(inRange.length)
    if (request.count_only) return { kvs: [], more: false, count }
    const within = (value: bigint, min: bigint, max: bigint) =>
      (min === 0n || value >= min) && (max === 0n || value <= max)
    const kvs = inRange
      .filter((kv) => within(kv.mod_revision, request.min_mod_revision, request.max_mod_revision))
      .filter((kv) => within(kv.create_revision, request.min_create_revision, request.max_create_revision))
      .sort((a, b) => compareBytes(a.key, b.key))
    const number = (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0)
    const compare = [
      (a: KeyValue, b: KeyValue) => compareBytes(a.key, b.key),
      (a: KeyValue, b: KeyValue) => number(a.version, b.version),
      (a: KeyValue, b: KeyValue) => number(a.create_revision, b.create_revision),
      (a: KeyValue, b: KeyValue) => number(a.mod_revision, b.mod_revision),
      (a: KeyValue, b: KeyValue) => compareBytes(a.value, b.value),
    ][request.sort_target]!
    const filters = ['min_mod_revision', 'max_mod_revision', 'min_create_revision', 'max_create_revision'] as const
    const limitFirst = request.sort_order === 0 && request.limit > 0n && filters.every((name) => request[name] === 0n)
    if (limitFirst) kvs.splice(Number(request.limit) + 1)
    kvs.sort(request.sort_order === 2 ? (a, b) => compare(b, a) : compare)
    const more = request.limit > 0n && BigInt(kvs.length) > request.limit
    const cut = more ? kvs.slice(0, Number(request.limit)) : kvs
    return { kvs: cut.map((kv) => (request.keys_only ? { ...kv, value: new Uint8Array(0) } : kv)), more, count }
  }

  /** Runs a branch of operations as one revision. */
  txn(request: TxnRequest): { succeeded: boolean; responses: ResponseOp[] } {
    const before = this.states[this.revision]!
    this.refuseConflicts(request.success)
    this.refuseConflicts(request.failure)
    this.checkPath(request, before)
    const keys = new Map(before)
    const changed = { is: false }
    const response = this.runTxn(request, before, keys, changed)
    if (changed.is) this.states.push(keys)
    return response
  }

  private runTxn(request: TxnRequest, before: Keys, keys: Map<string, KeyValue>, changed: { is: boolean }) {
    const succeeded = request.compare.every((compare) => this.holds(compare, before))
    const responses = (succeeded ? request.success : request.failure).map((op): ResponseOp => {
      const now = () => header(this.revision + (changed.is ? 1 : 0))
      const asked = op.request!
      switch (asked.$case) {
        case 'request_range': {
          const at = Number(asked.value.revision)
          const state = at <= 0 ? keys : this.states[at]!
          return {
            response: { $case: 'response_range', value: { header: now(), ...this.range(asked.value, 0, state) } },
          }
        }
        case 'request_put': {
          const previous = this.put(asked.value, keys)
          changed.is = true
          const prev_kv = asked.value.prev_kv ? previous : undefined
          return { response: { $case: 'response_put', value: { header: now(), prev_kv } } }
        }
        case 'request_delete_range': {
          const gone = this.delete(asked.value, keys)
          if (gone.length > 0) changed.is = true
          const value = { header: now(), deleted: BigInt(gone.length), prev_kvs: asked.value.prev_kv ? gone : [] }
          return { response: { $case: 'response_delete_range', value } }
        }
        default: {
          const nested = this.runTxn(asked.value, before, keys, changed)
          return { response: { $case: 'response_txn', value: { header: header(0), ...nested } } }
        }
      }
    })
    return { succeeded, responses }
  }

  private checkPath(request: TxnRequest, before: Keys): void {
    const each = (txn: TxnRequest, visit: (op: RequestOp) => void): void => {
      const taken = txn.compare.every((compare) => this.holds(compare, before)) ? txn.success : txn.failure
      for (const op of taken) {
        if (op.request?.$case === 'request_txn') each(op.request.value, visit)
        else visit(op)
      }
    }
    each(request, (op) => {
      if (op.request?.$case === 'request_put') this.checkPut(op.request.value, before)
    })
    each(request, (op) => {
      if (op.request?.$case !== 'request_range') return
      const at = Number(op.request.value.revision)
      if (at > this.revision) throw new Error('futureRevision')
      if (at !== 0 && at < this.compacted) throw new Error('compacted')
    })
  }

  private checkPut(request: PutRequest, before: Keys): void {
    const exists = before.has(name(request.key))
    if ((request.ignore_value || request.ignore_lease) && !exists) throw new Error('keyNotFound')
    if (request.lease !== 0n && !this.leases.has(request.lease)) throw new Error('leaseNotFound')
  }

  private put(request: PutRequest, keys: Map<string, KeyValue>): KeyValue | undefined {
    const previous = keys.get(name(request.key))
    const revision = BigInt(this.revision + 1)
    keys.set(name(request.key), {
      key: request.key,
      create_revision: previous?.create_revision ?? revision,
      mod_revision: revision,
      version: (previous?.version ?? 0n) + 1n,
      value: request.ignore_value ? previous!.value : request.value,
      lease: request.ignore_lease ? previous!.lease : request.lease,
    })
    return previous
  }

  private delete(request: DeleteRangeRequest, keys: Map<string, KeyValue>): KeyValue[] {
    const range = rangeFromWire(request.key, request.range_end)
    const gone = [...keys.values()].filter((kv) => rangeContains(range, kv.key))
    for (const kv of gone) keys.delete(name(kv.key))
    return gone.sort((a, b) => compareBytes(a.key, b.key))
  }

  revokeLease(id: bigint): void {
    this.leases.delete(id)
    const before = this.states[this.revision]!
    const kept = [...before].filter(([, kv]) => kv.lease !== id)
    if (kept.length < before.size) this.states.push(new Map(kept))
  }

  compact(revision: number): void {
    if (revision <= this.compacted) throw new Error('compacted')
    if (revision > this.revision) throw new Error('futureRevision')
    this.compacted = revision
  }

  private holds(compare: Compare, keys: Keys): boolean {
    const range = rangeFromWire(compare.key, compare.range_end)
    const found = [...keys.values()].filter((kv) => rangeContains(range, kv.key))
    const wanted = compare.target_union?.value ?? 0n
    const sign = (kv: KeyValue | null): number => {
      if (compare.target === 3) return compareBytes(kv!.value, wanted as Uint8Array)
      const fields = [kv?.version, kv?.create_revision, kv?.mod_revision, undefined, kv?.lease]
      const actual = fields[compare.target] ?? 0n
      return actual < (wanted as bigint) ? -1 : actual > (wanted as bigint) ? 1 : 0
    }
    const fits = (s: number) => [s === 0, s > 0, s < 0, s !== 0][compare.result]!
    if (found.length === 0) return compare.target !== 3 && fits(sign(null))
    return found.every((kv) => fits(sign(kv)))
  }

  /** Every pair of operations of a branch, compared key by key. */
  private refuseConflicts(branch: readonly RequestOp[]): void {
    for (const op of branch) {
      if (op.request?.$case !== 'request_txn') continue
      this.refuseConflicts(op.request.value.success)
      this.refuseConflicts(op.request.value.failure)
    }
    branch.forEach((a, i) => {
      for (const b of branch.slice(i + 1)) if (conflict(a, b) || conflict(b, a)) throw new Error('duplicateKey')
    })
  }
}

function conflict(a: RequestOp, b: RequestOp): boolean {
  return writes(a).some((put) => {
    if (put.$case !== 'request_put') return false
    return writes(b).some((other) =>
      other.$case === 'request_put'
        ? compareBytes(other.value.key, put.value.key) === 0
        : other.$case === 'request_delete_range' &&
          rangeContains(rangeFromWire(other.value.key, other.value.range_end), put.value.key),
    )
  })
}

function writes(op: RequestOp): NonNullable<RequestOp['request']>[] {
  const asked = op.request!
  if (asked.$case !== 'request_txn') return [asked]
  return [...asked.value.success, ...asked.value.failure].flatMap(writes)
}

const name = (key: Uint8Array): string => Buffer.from(key).toString('latin1')
