/**
 * Files that appear under their names complete and on stable storage, or not at all: a draft beside it is written, flushed
 * and given the name, and the folder is flushed. All throw the system's errors.
 */
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/**
 * With mode 0600, and never in place of another file or link: a link fails where a rename would replace.
 *
 * @throws Error with the code EEXIST if there is one.
 */
export function createWholeFile(file: string, content: string | Uint8Array): void {
  withDraft(file, content, 0o600, (draft) => linkSync(draft, file))
}

/**
 * In place of the file that is there: who reads it finds the old one or the new one. A link stays, and what it leads to is
 * replaced; owner, group and mode stay as well, since who reads it may be another user.
 *
 * @param mode of a file that was not there, less what the umask takes.
 * @throws Error with the code EPERM from who may not give a file to the owner of the old one, which stays.
 */
export function replaceWholeFile(file: string, content: string | Uint8Array, mode = 0o600): void {
  const before = statSync(file, { throwIfNoEntry: false })
  if (before === undefined) return withDraft(file, content, mode, (draft) => renameSync(draft, file))
  const target = realpathSync(file)
  withDraft(target, content, 0o600, (draft) => {
    chownSync(draft, before.uid, before.gid)
    chmodSync(draft, before.mode & 0o777)
    renameSync(draft, target)
  })
}

/**
 * As `replaceWholeFile`, while the thread does other things. For files that one process at a time writes, each with mode 0600:
 * the draft has always the same name, so that not one more is left behind by each process that is killed.
 */
export async function replaceOwnFile(file: string, content: string): Promise<void> {
  const draft = `${file}.tmp`
  const handle = await open(draft, 'w', 0o600)
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(draft, file)
  const folder = await open(dirname(file), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Whether that is what a process that was killed left half written. */
export const isDraft = (name: string): boolean => /^\..+\.[0-9a-f]{12}$/.test(name)

/** Makes creations, renames and removals in it durable. */
export function flushFolder(dir: string): void {
  const folder = openSync(dir, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

function withDraft(
  target: string,
  content: string | Uint8Array,
  mode: number,
  giveName: (draft: string) => void,
): void {
  const dir = dirname(target)
  const draft = join(dir, `.${basename(target)}.${randomBytes(6).toString('hex')}`)
  try {
    const file = openSync(draft, 'wx', mode)
    try {
      writeFileSync(file, content)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    giveName(draft)
    flushFolder(dir)
  } finally {
    rmSync(draft, { force: true })
  }
}
