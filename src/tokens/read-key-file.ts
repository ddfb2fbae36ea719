import { statSync } from 'node:fs'
import { limits } from '../base/limits.ts'
import { readBounded, readingProblem } from '../files/read-bounded.ts'
import { TokenKeyError } from './token-key-error.ts'

/** Whoever writes keys to verify with can be anybody. */
const writableByOthers = 0o022

/** @throws TokenKeyError also if others than its owner may write the file. */
export function readKeyFile(file: string, kinds: 'regular' | 'any' = 'regular'): string {
  try {
    const { mode } = statSync(file)
    if ((mode & writableByOthers) !== 0) throw new TokenKeyError(`${file}: others may write it: chmod go-w`)
    return readBounded(file, limits.tokenKeysBytesMax, kinds).toString('utf8')
  } catch (error) {
    if (error instanceof TokenKeyError) throw error
    throw new TokenKeyError(`${file}: ${readingProblem(error)}`)
  }
}
