import { open } from 'node:fs/promises'
import { TokenKeyError } from './token-key-error.ts'

/** Whoever writes keys to verify with can be anybody. */
const writableByOthers = 0o022

/** @throws TokenKeyError also if others than its owner may write the file. */
export async function readKeyFile(file: string): Promise<string> {
  try {
    await using handle = await open(file)
    const { mode } = await handle.stat()
    if ((mode & writableByOthers) !== 0) throw new TokenKeyError(`${file}: others may write it: chmod go-w`)
    return await handle.readFile('utf8')
  } catch (error) {
    if (error instanceof TokenKeyError) throw error
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw new TokenKeyError(`${file}: ${code}`)
  }
}
