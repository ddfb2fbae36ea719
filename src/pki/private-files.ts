import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { limits } from '../base/limits.ts'
import { readBounded, readingProblem } from '../files/read-bounded.ts'
import { createWholeFile, flushFolder, isDraft, replaceWholeFile } from '../files/whole-file.ts'
import { PkiError } from './pki-error.ts'

/** With mode 0700, and those above it that are missing. @throws PkiError */
export function makeFolder(dir: string): void {
  try {
    // One by one: Node's recursive form tries for ever where the system refuses with ENOENT, as /proc does.
    const missing: string[] = []
    for (let at = dir; statSync(at, { throwIfNoEntry: false }) === undefined; at = dirname(at)) missing.push(at)
    for (const folder of missing.reverse()) mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    throw new PkiError(`${dir}: cannot create folder: ${codeOf(error)}`, { cause: error })
  }
  if (!statSync(dir).isDirectory()) throw new PkiError(`${dir}: is not a folder`)
}

/** @throws PkiError if group or others have any right on it. */
export function checkPrivate(path: string, what: 'folder' | 'private key'): void {
  const mode = statSync(path).mode & 0o777
  if ((mode & 0o077) === 0) return
  const wanted = what === 'folder' ? '700' : '600'
  const octal = mode.toString(8).padStart(4, '0')
  throw new PkiError(`${path}: ${what} is accessible to group or others (mode ${octal}); run chmod ${wanted} on it`)
}

/** @throws PkiError if one of them is there. */
export function checkAbsent(dir: string, names: readonly string[]): void {
  for (const name of names)
    if (existsSync(join(dir, name))) throw new PkiError(`${join(dir, name)}: exists already; it is not overwritten`)
}

/** With mode 0600, and never in place of another. @throws PkiError */
export function writeNew(dir: string, name: string, bytes: string | Uint8Array): void {
  const target = join(dir, name)
  try {
    createWholeFile(target, bytes)
  } catch (error) {
    const reason =
      codeOf(error) === 'EEXIST' ? 'exists already; it is not overwritten' : `cannot write: ${codeOf(error)}`
    throw new PkiError(`${target}: ${reason}`, { cause: error })
  }
}

/** With mode 0600, or with mode and owner of what is there. @throws PkiError */
export function replaceFile(dir: string, name: string, bytes: string | Uint8Array): void {
  const target = join(dir, name)
  try {
    replaceWholeFile(target, bytes)
  } catch (error) {
    throw new PkiError(`${target}: cannot write: ${codeOf(error)}`, { cause: error })
  }
}

/** What a process that was killed left half written. The caller has the folder's lock. */
export function removeDrafts(dir: string): void {
  for (const name of readdirSync(dir)) if (isDraft(name)) rmSync(join(dir, name), { force: true })
}

/** At the end of a file that is made with mode 0600 if it is missing; on disk when this returns. */
export function appendFlushed(path: string, text: string): void {
  try {
    const isNew = !existsSync(path)
    const file = openSync(path, 'a', 0o600)
    try {
      writeFileSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    if (isNew) flushFolder(dirname(path))
  } catch (error) {
    throw new PkiError(`${path}: cannot write: ${codeOf(error)}`, { cause: error })
  }
}

/** @throws PkiError if it cannot be read, or is larger than anything that belongs here. */
export function readBytes(file: string): Buffer {
  try {
    return readBounded(file, limits.pkiFileBytesMax, 'any')
  } catch (error) {
    throw new PkiError(`${file}: cannot read: ${readingProblem(error)}`, { cause: error })
  }
}

/** One character a byte. */
export const readText = (file: string): string => readBytes(file).toString('latin1')

/** @throws PkiError unless it is a name and no path, and not hidden. */
export function checkFileName(name: string): void {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}$/.test(name))
    throw new PkiError(`not a usable file name: ${JSON.stringify(name)} (letters, digits, dot, dash, underscore)`)
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'error'
