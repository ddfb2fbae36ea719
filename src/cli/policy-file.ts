import { closeSync, openSync, readSync } from 'node:fs'
import { limits } from '../base/limits.ts'
import { type Policy, PolicyError, type Problem, parsePolicy, placeText } from '../policy/index.ts'
import { CommandError } from './failure.ts'

/** A policy, or what keeps its file from being one. */
export type LoadedPolicy =
  | { readonly policy: Policy; readonly problems: null }
  | { readonly policy: null; readonly problems: readonly Problem[] }

export function loadPolicy(file: string): LoadedPolicy {
  try {
    return { policy: parsePolicy(contentOf(file)), problems: null }
  } catch (error) {
    if (error instanceof PolicyError) return { policy: null, problems: error.problems }
    throw error
  }
}

/**
 * For commands that need a good one.
 *
 * @throws CommandError after all problems were written to standard error.
 */
export function requirePolicy(file: string): Policy {
  const { policy, problems } = loadPolicy(file)
  if (policy !== null) return policy
  for (const problem of problems) process.stderr.write(problemLine(file, problem))
  throw new CommandError(`${file} is not a policy`)
}

export const problemLine = (file: string, { place, message }: Problem): string =>
  `${file}:${placeText(place)}: error: ${message}\n`

function contentOf(file: string): Uint8Array {
  try {
    return readBounded(file)
  } catch (error) {
    // Not all that the system says has the name in it.
    const { message } = error as Error
    throw new CommandError(message.includes(file) ? message : `${file}: ${message}`, { cause: error })
  }
}

/** One byte more than a policy may have, at most: what follows is not looked at. */
function readBounded(file: string): Uint8Array {
  const bytes = Buffer.alloc(limits.policyFileBytesMax + 1)
  const descriptor = file === '-' ? 0 : openSync(file, 'r')
  try {
    let length = 0
    while (length < bytes.length) {
      const read = readSync(descriptor, bytes, length, bytes.length - length, null)
      if (read === 0) break
      length += read
    }
    return bytes.subarray(0, length)
  } finally {
    if (file !== '-') closeSync(descriptor)
  }
}
