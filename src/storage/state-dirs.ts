import * as fsp from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../base/log.ts'
import { replaceOwnFile } from '../files/whole-file.ts'
import { realFileSystem } from './fs.ts'
import { StorageError } from './storage-error.ts'

const currentName = 'CURRENT'
const stateName = /^state-([1-9][0-9]{0,14})$/

const nameOf = (number: number): string => `state-${number}`

/** Which of the directories `state-<n>` is the live state; the file CURRENT says so and is replaced atomically. */
export class StateDirs {
  readonly #dir: string
  readonly #log: Log
  #current: string
  #newest: number

  private constructor(dir: string, log: Log, current: number) {
    this.#dir = dir
    this.#log = log
    this.#current = nameOf(current)
    this.#newest = current
  }

  /**
   * Finds the live state, or begins the first; removes every other, left over from a crash.
   *
   * @throws StorageError if CURRENT and the directories do not fit: nothing is removed then.
   */
  static async open(dir: string, log: Log): Promise<StateDirs> {
    await realFileSystem.makeDir(dir)
    const names = await realFileSystem.list(dir)
    const found = names.filter((name) => stateName.test(name))
    if (!names.includes(currentName)) {
      // The first start may have been cut short after it made an empty state-1, but not later.
      for (const name of found) {
        if ((await realFileSystem.list(join(dir, name))).length > 0) {
          throw new StorageError('damaged', `${join(dir, currentName)}: missing, but there is a ${name}`)
        }
      }
      await realFileSystem.makeDir(join(dir, nameOf(1)))
      const dirs = new StateDirs(dir, log, 1)
      await dirs.makeCurrent(nameOf(1))
      return dirs
    }
    const text = await fsp.readFile(join(dir, currentName), 'latin1')
    const match = stateName.exec(text.trim())
    if (match === null) throw new StorageError('damaged', `${join(dir, currentName)}: does not name a state`)
    const current = Number(match[1])
    if (!found.includes(nameOf(current))) {
      throw new StorageError('damaged', `${join(dir, currentName)}: names ${nameOf(current)}, which is missing`)
    }
    const dirs = new StateDirs(dir, log, current)
    for (const name of found) {
      if (name === nameOf(current)) continue
      log.info('removing a state that is not the live one', { dir: join(dir, name) })
      await fsp.rm(join(dir, name), { recursive: true, force: true })
    }
    return dirs
  }

  get currentPath(): string {
    return join(this.#dir, this.#current)
  }

  /** Makes a new, empty directory and returns its path. */
  async begin(): Promise<string> {
    const path = join(this.#dir, nameOf(++this.#newest))
    await realFileSystem.makeDir(path)
    return path
  }

  /** Durable when it returns. */
  async makeCurrent(name: string): Promise<void> {
    await realFileSystem.syncDir(join(this.#dir, name))
    await replaceOwnFile(join(this.#dir, currentName), `${name}\n`)
    this.#current = name
  }

  /** Never fails: what stays behind is removed at the next start. */
  async remove(path: string): Promise<void> {
    try {
      await fsp.rm(path, { recursive: true, force: true })
    } catch (error) {
      this.#log.warn('could not remove an old state', { dir: path, error: String(error) })
    }
  }
}
