import { type Table, tables as tableNames } from '../../src/mvcc/view.ts'
import type { SnapshotSink, SnapshotSource, StagedState } from '../../src/replica/ports.ts'
import type { Machine } from './machine.ts'
import { TableSet } from './table-set.ts'

type Row = readonly [table: Table, key: string, value: string]

const rowsPerChunk = 200
const everything = { start: new Uint8Array(0), end: null }
const encode = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))

/** A copy of `live` in chunks of JSON: its form is nobody's business but the sink's. */
export function openStateSource(live: TableSet): SnapshotSource {
  const copy = new TableSet(live)
  const rows: Row[] = []
  for (const table of tableNames) {
    for (const [key, value] of copy.scan(table, everything)) {
      rows.push([table, Buffer.from(key).toString('latin1'), Buffer.from(value).toString('latin1')])
    }
  }
  let position = 0
  let closed = false
  let ended = false
  return {
    next: () => {
      if (closed) throw new Error('the snapshot source is closed')
      if (ended) return null
      if (position >= rows.length) {
        ended = true
        return encode({ end: rows.length })
      }
      const chunk = rows.slice(position, position + rowsPerChunk)
      position += chunk.length
      return encode({ rows: chunk })
    },
    read: (work) => work(copy),
    close: () => {
      closed = true
    },
  }
}

export function openStateSink(machine: Machine, stage: (tables: TableSet) => StagedState): SnapshotSink {
  const rows: Row[] = []
  let end: number | null = null
  let aborted = false
  return {
    write: (chunk, done) => {
      machine.later(0.05, () => {
        if (aborted) return done(new Error('the snapshot was given up'))
        const content = JSON.parse(Buffer.from(chunk).toString()) as { rows?: Row[]; end?: number }
        if (content.rows) rows.push(...content.rows)
        if (content.end !== undefined) end = content.end
        done()
      })
    },
    finish: (done) => {
      machine.later(1, () => {
        if (aborted || end !== rows.length) return done(new Error('the snapshot is incomplete'), null)
        const tables = new TableSet()
        tables.transact((view) => {
          for (const [table, key, value] of rows) {
            view.put(table, Buffer.from(key, 'latin1'), Buffer.from(value, 'latin1'))
          }
        })
        done(null, stage(tables))
      })
    },
    abort: () => {
      aborted = true
    },
  }
}
