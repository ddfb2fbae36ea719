import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

const chunkBytes = 64 * 1024

/** Standard input, as file descriptor. */
export const standardInput = 0

/**
 * A file whole, if it has no more than `bytesMax`. Not by the size that it says: a device or pipe says none, and a device may
 * have no end.
 *
 * @param kinds `regular` for what a member reads: a pipe without a writer would be waited for, in a way that no signal ends.
 *   Commands take `any`, since shells make pipes of `<(...)`.
 * @throws Error with the system's code; without one if it is too long, or of another kind.
 */
export function readBounded(file: string | typeof standardInput, bytesMax: number, kinds: 'regular' | 'any'): Buffer {
  if (file === standardInput) return readToEnd(standardInput, bytesMax)
  const descriptor = openSync(file, constants.O_RDONLY | (kinds === 'any' ? 0 : constants.O_NONBLOCK))
  try {
    if (kinds === 'regular' && !fstatSync(descriptor).isFile()) throw new Error('is no regular file')
    return readToEnd(descriptor, bytesMax)
  } finally {
    closeSync(descriptor)
  }
}

function readToEnd(descriptor: number, bytesMax: number): Buffer {
  const chunks: Buffer[] = []
  let size = 0
  for (let length = -1; length !== 0 && size <= bytesMax; size += length) {
    const chunk = Buffer.allocUnsafe(chunkBytes)
    length = readSync(descriptor, chunk)
    chunks.push(chunk.subarray(0, length))
  }
  if (size > bytesMax) throw new Error(`has more than ${bytesMax} bytes`)
  return Buffer.concat(chunks)
}

/** Why a file could not be read: the system's code, or what `readBounded` found, but no path. */
export function readingProblem(error: unknown): string {
  if (!(error instanceof Error)) return 'unreadable'
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}
