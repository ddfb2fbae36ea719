/**
 * The tables of the replicated state. Keys are ordered bytes; how user keys become table keys is `mvcc/key-encoding.ts`.
 *
 * - current: user key -> {mod, create, version, lease}: a small record, because random puts dirty its pages
 * - history: revision (main 8 bytes BE, sub 4 bytes BE) -> one event with its key-value as encoded protobuf
 * - old: user key + superseded or deleting revision, for reads in the past
 * - leases: lease id (8 bytes BE) -> {ttl, ...}; leaseKeys: lease id + user key
 * - members: member id (8 bytes BE) -> MemberRecord; meta: fixed names, see `mvcc/meta.ts`
 * - auth: users, roles and tokens, see `auth/records.ts`
 */
export const tables = ['current', 'history', 'old', 'leases', 'leaseKeys', 'members', 'meta', 'auth'] as const
export type Table = (typeof tables)[number]

export type Pair = readonly [key: Uint8Array, value: Uint8Array]

export interface ScanOptions {
  /** Inclusive. */
  readonly start: Uint8Array
  /** Exclusive; null is unbounded. */
  readonly end: Uint8Array | null
  /** Descending from just below `end` down to `start`. */
  readonly reverse?: boolean
}

/** One consistent state of all tables. Synchronous; returned bytes belong to the caller. Table keys are 1 to 1978 bytes. */
export interface ReadView {
  get(table: Table, key: Uint8Array): Uint8Array | undefined
  /** Pairs in key order. The view must not be written to while iterating; stop early by leaving the loop. */
  scan(table: Table, options: ScanOptions): Iterable<Pair>
  /** Number of pairs in the range, without reading values. */
  count(table: Table, options: Omit<ScanOptions, 'reverse'>): number
  /**
   * The key of pair number `position` of the range, from 0; undefined if there are not so many. By which a long count is
   * made in steps; a store without it counts at once.
   */
  keyAt?(table: Table, options: Omit<ScanOptions, 'reverse'>, position: number): Uint8Array | undefined
}

/** A write transaction: reads see its own writes; nothing is visible outside until it commits. */
export interface WriteView extends ReadView {
  put(table: Table, key: Uint8Array, value: Uint8Array): void
  remove(table: Table, key: Uint8Array): void
}

/** Largest table key that a store must accept. */
export const tableKeyBytesMax = 1978
