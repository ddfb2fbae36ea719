import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Database, open, type Transaction } from 'lmdb'
import { type Table, tables } from '../mvcc/view.ts'
import { diskIsFull } from './free-space.ts'
import { checkDataFile } from './lmdb-file.ts'
import { StorageError } from './storage-error.ts'

/** With an option that lmdb takes and its declarations leave out. */
export type TableDb = Database<Uint8Array, Uint8Array> & {
  getBinary(key: Uint8Array, options?: { transaction: Transaction }): Uint8Array | undefined
}

/** One LMDB environment with one named database for each table. */
export interface TablesEnv {
  readonly path: string
  readonly root: TableDb
  readonly dbs: Readonly<Record<Table, TableDb>>
}

/**
 * Address space only: the file grows as it is written, and no thread ever has to map it anew. An environment that
 * reaches this is full.
 */
const mapBytes = 1024 * 1024 * 1024 * 1024
/** Serving threads, the core, and each snapshot being sent take one or two. */
const readersMax = 256

/**
 * Opens the environment in directory `path`. Threads of one process that open the same path share its memory map.
 *
 * Commits do not flush: a crash of this process loses nothing that was committed, and for a crash of the operating system
 * there are checkpoints (`LmdbCheckpoints`) and the log.
 *
 * @throws StorageError if it is damaged or cannot be opened.
 */
export function openTables(path: string, access: 'write' | 'read'): TablesEnv {
  const binary = { keyEncoding: 'binary', encoding: 'binary' } as const
  const options = {
    path,
    mapSize: mapBytes,
    maxDbs: 2 * tables.length,
    maxReaders: readersMax,
    noSubdir: false,
    readOnly: access === 'read',
    noSync: true,
    // Not in lmdb's declarations; see `Env::open` there.
    permissionsMode: 0o600,
    ...binary,
  }
  // Whoever reads shares what the writer of this process has open, and the file may grow while it is looked at.
  if (access === 'write') checkDataFile(path)
  // LMDB maps its lock file without taking the space for it, and the process would die of SIGBUS.
  if (access === 'write' && !existsSync(join(path, 'lock.mdb')) && diskIsFull(path)) {
    throw new StorageError('failed', `${path}: no space left on the disk for a new state`)
  }
  try {
    const root = open<Uint8Array, Uint8Array>(options)
    const opened = tables.map((name) => [name, root.openDB<Uint8Array, Uint8Array>({ name, ...binary })] as const)
    const missing = opened.find(([, db]) => db === undefined)
    if (missing !== undefined) throw new Error(`no table ${missing[0]}`)
    return { path, root, dbs: Object.fromEntries(opened) as Record<Table, TableDb> }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new StorageError('damaged', `${path}: cannot open the state: ${message}`, { cause: error })
  }
}

interface TableStats {
  readonly pageSize: number
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
}
interface EnvStats extends TableStats {
  readonly lastPageNumber: number
  /** The table of tables, and the table of free pages. */
  readonly root: TableStats
  readonly free: TableStats
}

const pagesOf = (stats: TableStats): number => stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages

/** Records of one table. */
export const entriesOf = (db: TableDb): number => (db.getStats() as { entryCount: number }).entryCount

/** Bytes of the data file, and bytes of its pages that hold something. */
export function sizeOf({ root, dbs }: TablesEnv): { allocated: number; inUse: number } {
  const { pageSize, lastPageNumber, root: main, free } = root.getStats() as EnvStats
  // The first two pages hold the environment's own records.
  let pages = 2 + pagesOf(main) + pagesOf(free)
  for (const table of tables) pages += pagesOf(dbs[table].getStats() as EnvStats)
  return { allocated: (lastPageNumber + 1) * pageSize, inUse: pages * pageSize }
}
