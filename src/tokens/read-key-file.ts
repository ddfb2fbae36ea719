import { readFile } from 'node:fs/promises'
import { TokenKeyError } from './token-key-error.ts'

/** @throws TokenKeyError */
export async function readKeyFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw new TokenKeyError(`${file}: ${code}`)
  }
}
