import { limits } from '../base/limits.ts'
import { readBounded, standardInput } from '../files/read-bounded.ts'
import { CommandError } from './failure.ts'

/**
 * What an option names: a certificate, a key, a token, a scope. None of them is large.
 *
 * @param file `-` is standard input.
 * @throws CommandError naming it; its cause has the system's code.
 */
export function readFile(file: string): Buffer {
  try {
    return readBounded(file === '-' ? standardInput : file, limits.smallFileBytesMax, 'any')
  } catch (error) {
    // Not all that the system says has the name in it.
    const { message } = error as Error
    throw new CommandError(message.includes(file) ? message : `${file}: ${message}`, { cause: error })
  }
}
