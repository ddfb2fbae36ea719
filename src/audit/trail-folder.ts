import {
  chmodSync,
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { flushFolder, replaceWholeFile } from '../files/whole-file.ts'
import { fileName, fileNumber } from './seal.ts'

/** What has the name of a file of a trail is a folder, a pipe or the like. */
export class NoTrailFileError extends Error {
  override readonly name = 'NoTrailFileError'
}

export interface TrailFile {
  readonly size: number
  /** All of it or an error, after which it is not known how much. */
  write(bytes: Uint8Array, position: number): void
  truncate(size: number): void
  /** Returns when what was written is on stable storage. */
  sync(): void
  /** Whether whoever opens it by its name finds it: nobody has removed or replaced it. */
  isThere(): boolean
  close(): void
}

/** The folder of a trail, so that tests can make each call fail. All calls throw the system's errors. */
export interface TrailFolder {
  /** Numbers of the files that are there, in order. */
  list(): number[]
  /** @param from where to begin, in bytes. */
  read(file: number, from?: number): Buffer
  open(file: number, how: 'create' | 'append'): TrailFile
  remove(file: number): void
  /** Makes creations and removals durable. */
  sync(): void
}

/** For whoever wants to verify: it is copied from here once, and kept elsewhere. */
export const publicKeyFile = 'audit-key.pub.pem'

/** Makes it, with mode 0700. @throws Error in one line. */
export function openTrailFolder(dir: string, publicPem: string): TrailFolder {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    if ((statSync(dir).mode & 0o077) !== 0) throw new Error('may be entered by others: run chmod 700 on it')
    const file = join(dir, publicKeyFile)
    // A disk that is full would not take it again.
    const isSame =
      statSync(file, { throwIfNoEntry: false })?.isFile() === true && readFileSync(file, 'utf8') === publicPem
    if (!isSame) replaceWholeFile(file, publicPem)
    chmodSync(file, 0o600)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new Error(`the folder of the audit trail, ${dir}: ${code ?? message}`, { cause: error })
  }
  return readTrailFolder(dir)
}

export function readTrailFolder(dir: string): TrailFolder {
  const pathOf = (file: number): string => join(dir, fileName(file))
  return {
    list: () =>
      readdirSync(dir)
        .flatMap((name) => fileNumber(name) ?? [])
        .sort((a, b) => a - b),
    read: (file, from = 0) => readFrom(pathOf(file), from),
    open: (file, how) => openFile(pathOf(file), how === 'create' ? 'wx' : 'r+'),
    remove: (file) => unlinkSync(pathOf(file)),
    sync: () => flushFolder(dir),
  }
}

function readFrom(path: string, from: number): Buffer {
  // A pipe without a writer would be waited for, in a way that no signal ends.
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const found = fstatSync(descriptor)
    if (!found.isFile()) throw new NoTrailFileError(`${path} is no regular file`)
    if (from === 0) return readFileSync(descriptor)
    const bytes = Buffer.alloc(Math.max(0, found.size - from))
    return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, from))
  } finally {
    closeSync(descriptor)
  }
}

function openFile(path: string, flags: string): TrailFile {
  const descriptor = openSync(path, flags, 0o600)
  return {
    get size() {
      return fstatSync(descriptor).size
    },
    write(bytes, position) {
      for (let written = 0; written < bytes.length; ) {
        written += writeSync(descriptor, bytes, written, bytes.length - written, position + written)
      }
    },
    truncate: (size) => ftruncateSync(descriptor, size),
    sync: () => fdatasyncSync(descriptor),
    isThere: () => isSame(lstatSync(path, { throwIfNoEntry: false }), fstatSync(descriptor)),
    close: () => closeSync(descriptor),
  }
}

/** On some file systems the number of a file that is open and of the same by its name are not the same. */
const isSame = (named: Stats | undefined, own: Stats): boolean =>
  named?.isFile() === true && ((named.ino === own.ino && named.dev === own.dev) || named.size === own.size)
