import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { StorageError } from './storage-error.ts'

/**
 * Where LMDB's meta page keeps what is checked here; numbers are little-endian.
 *
 * @source MDB_page_header, MDB_meta and MDB_db in lmdb's mdb.c, data format 2
 */
const layout = {
  magic: 24,
  version: 28,
  pageSize: 48,
  /** Root pages of the table of free pages and of the table of tables. */
  roots: [88, 136],
  bytes: 168,
} as const
const magic = 0xbeefc0de
const dataVersion = 2
const noPage = 0xffff_ffff_ffff_ffffn

/**
 * Looks at the data file before LMDB maps it: LMDB ends the process when it is given a file that is not its own or that
 * was cut short.
 *
 * @throws StorageError if the file is there and cannot be LMDB's.
 */
export function checkDataFile(dir: string): void {
  const path = join(dir, 'data.mdb')
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
    throw new StorageError('failed', `${path}: ${String(error)}`, { cause: error })
  }
  try {
    const size = fstatSync(fd).size
    // A first start that was cut short.
    if (size === 0) return
    const pageSize = checkMeta(fd, path, size, 0)
    checkMeta(fd, path, size, pageSize)
  } finally {
    closeSync(fd)
  }
}

/** @returns the page size. */
function checkMeta(fd: number, path: string, size: number, at: number): number {
  const damaged = (what: string): StorageError =>
    new StorageError('damaged', `${path}: damaged at offset ${at}: ${what}`)
  const meta = Buffer.alloc(layout.bytes)
  if (readSync(fd, meta, 0, meta.length, at) < meta.length) throw damaged('cut short')
  if (meta.readUInt32LE(layout.magic) !== magic) throw damaged('not an LMDB file')
  if (meta.readUInt32LE(layout.version) !== dataVersion) throw damaged('another version of LMDB')
  const pageSize = meta.readUInt32LE(layout.pageSize)
  if (pageSize < 512 || pageSize > 65536 || (pageSize & (pageSize - 1)) !== 0) throw damaged(`page size ${pageSize}`)
  for (const root of layout.roots) {
    const page = meta.readBigUInt64LE(root)
    if (page !== noPage && page >= BigInt(Math.floor(size / pageSize))) throw damaged(`page ${page} is not in the file`)
  }
  return pageSize
}
