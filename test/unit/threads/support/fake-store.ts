import type { CommittedBatch, WatchEvent } from '../../../../src/apply/outcome.ts'
import { compareBytes } from '../../../../src/base/bytes.ts'
import { encodeDelete, encodePut, eventFrom, historyKey } from '../../../../src/mvcc/history-record.ts'
import { getCompactRevision, type Position, putCompactRevision, putRevision } from '../../../../src/mvcc/meta.ts'
import type { Pair, ScanOptions, Table, WriteView } from '../../../../src/mvcc/view.ts'

/** Tables as sorted arrays: slow and obvious. */
class FakeView implements WriteView {
  readonly tables = new Map<Table, Pair[]>()

  #rows(table: Table): Pair[] {
    let rows = this.tables.get(table)
    if (rows === undefined) {
      rows = []
      this.tables.set(table, rows)
    }
    return rows
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    return this.#rows(table).find((row) => compareBytes(row[0], key) === 0)?.[1]
  }

  *scan(table: Table, { start, end, reverse }: ScanOptions): Iterable<Pair> {
    const rows = this.#rows(table).filter(
      ([key]) => compareBytes(key, start) >= 0 && (end === null || compareBytes(key, end) < 0),
    )
    yield* reverse === true ? rows.reverse() : rows
  }

  count(table: Table, options: ScanOptions): number {
    return [...this.scan(table, options)].length
  }

  put(table: Table, key: Uint8Array, value: Uint8Array): void {
    const rows = this.#rows(table)
    // Nearly always the newest revision, which goes last.
    let at = rows.length
    while (at > 0 && compareBytes(rows[at - 1]![0], key) >= 0) at--
    const replaced = at < rows.length && compareBytes(rows[at]![0], key) === 0
    rows.splice(at, replaced ? 1 : 0, [Uint8Array.from(key), Uint8Array.from(value)])
  }

  remove(table: Table, key: Uint8Array): void {
    const rows = this.#rows(table)
    const at = rows.findIndex((row) => compareBytes(row[0], key) === 0)
    if (at >= 0) rows.splice(at, 1)
  }
}

export type Change = { readonly put: string; readonly value?: string } | { readonly delete: string }

interface Current {
  readonly create: number
  readonly version: number
  readonly position: Position
}

/** A store that only knows puts, deletes and compaction: enough history for watches. */
export class FakeStore {
  readonly view = new FakeView()
  revision = 1
  appliedIndex = 1
  readonly #current = new Map<string, Current>()

  /** Applies all changes as one revision. */
  commit(...changes: Change[]): CommittedBatch {
    const main = this.revision + 1
    const events: WatchEvent[] = []
    for (const change of changes) {
      const sub = events.length
      const name = 'put' in change ? change.put : change.delete
      const key = Buffer.from(name)
      const old = this.#current.get(name)
      const previous = old?.position ?? null
      let record: Uint8Array
      if ('put' in change) {
        const create = old?.create ?? main
        const version = (old?.version ?? 0) + 1
        const value = Buffer.from(change.value ?? `${name}@${main}`)
        record = encodePut({ key, create, mod: main, version, value, lease: 0n as never }, previous)
        this.#current.set(name, { create, version, position: { main, sub } })
      } else {
        if (previous === null) continue
        record = encodeDelete(
          { key, create: 0, mod: main, version: 0, value: Buffer.alloc(0), lease: 0n as never },
          previous,
        )
        this.#current.delete(name)
      }
      this.view.put('history', historyKey({ main, sub }), record)
      events.push(eventFrom(record, main, sub, key))
    }
    if (events.length > 0) this.revision = main
    this.appliedIndex++
    putRevision(this.view, this.revision)
    return this.batch(events)
  }

  compact(revision: number): CommittedBatch {
    putCompactRevision(this.view, revision)
    this.appliedIndex++
    return this.batch([])
  }

  batch(events: readonly WatchEvent[], replaced = false): CommittedBatch {
    return {
      appliedIndex: this.appliedIndex,
      revision: this.revision,
      compactRevision: getCompactRevision(this.view),
      events,
      replaced,
    }
  }
}
