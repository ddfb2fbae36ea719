import { accessSync, chmodSync, constants, mkdirSync, readdirSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { ConfigError } from './config-error.ts'

const ownerOnly = 0o700
const groupAndWorld = 0o077

/**
 * Makes sure that a folder is there, can be used, and is its owner's alone. One that already holds files and that others
 * may enter is refused rather than tightened: they may have read it, and the operator should know.
 *
 * @param flag the flag that named it.
 * @throws ConfigError
 */
export function preparePrivateFolder(flag: string, path: string): void {
  const stats = statIfThere(flag, path)
  if (stats === null) {
    attempt(flag, path, () => makeWithParents(path))
    return
  }
  if (!stats.isDirectory()) throw new ConfigError(flag, `${path} is not a folder`)
  attempt(flag, path, () => accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK))
  // Root may use everyone's folders, and their owners could read what it writes there.
  if (stats.uid !== 0 && stats.uid !== process.geteuid?.())
    throw new ConfigError(flag, `${path} belongs to another user (id ${stats.uid}), who may read it; chown it`)
  if ((stats.mode & groupAndWorld) === 0) return
  if (attempt(flag, path, () => readdirSync(path)).length === 0) {
    attempt(flag, path, () => chmodSync(path, ownerOnly))
    return
  }
  const mode = (stats.mode & 0o777).toString(8)
  throw new ConfigError(
    flag,
    `${path} has mode ${mode}: other users may read it; check what they saw, then chmod 700 it`,
  )
}

/** One by one: Node's recursive form tries for ever where the system refuses with ENOENT, as /proc does. */
function makeWithParents(path: string): void {
  const missing: string[] = []
  for (let at = path; statSync(at, { throwIfNoEntry: false }) === undefined; at = dirname(at)) missing.push(at)
  for (const folder of missing.reverse()) mkdirSync(folder, { mode: ownerOnly })
}

const statIfThere = (flag: string, path: string): Stats | null =>
  attempt(flag, path, () => statSync(path, { throwIfNoEntry: false }) ?? null)

const reasons: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'permission denied'],
  ['EPERM', 'operation not permitted'],
  ['ENOTDIR', 'a part of the path is not a folder'],
  ['ENOSPC', 'no space left on the disk'],
  ['ENOENT', 'cannot be made there'],
  ['EEXIST', 'is a link that leads nowhere'],
  ['EROFS', 'the file system is read-only'],
])

function attempt<T>(flag: string, path: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw new ConfigError(flag, `${path}: ${reasons.get(code) ?? code}`, { cause })
  }
}
