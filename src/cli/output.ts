import type { Writable } from 'node:stream'

/** Where a command prints, and how it went. */
export interface Output {
  /**
   * Resolves when all that was printed has left the process: into a pipe it goes in the background, and what has not gone is lost
   * when the process exits. Null if it has, or nobody reads any more; else what went wrong.
   */
  written(): Promise<Error | null>
}

/** From now on an error of the stream does not end the process. */
export function outputTo(stream: Writable): Output {
  let failure: Error | null = null
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') failure ??= error
  })
  return {
    written: () =>
      new Promise((resolve) => {
        // Errors are told of after the callbacks of what they befell.
        const tell = (): unknown => setImmediate(() => resolve(failure))
        if (stream.writableLength === 0 || !stream.writable) tell()
        else stream.write('', tell)
      }),
  }
}
