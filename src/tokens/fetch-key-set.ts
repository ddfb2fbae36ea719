import { request as requestPlain } from 'node:http'
import { request as requestSecure } from 'node:https'
import { limits } from '../base/limits.ts'
import { readBounded, readingProblem } from '../files/read-bounded.ts'
import { TokenKeyError } from './token-key-error.ts'

/**
 * Asks for a key set over HTTP. Follows nothing: the address is the operator's word.
 *
 * @param url https, or http to this machine.
 * @param caFile authorities that the server's certificate must be of; null: those of the program.
 * @throws TokenKeyError also if it takes too long, or is too much.
 */
export function fetchKeySetText(
  url: string,
  caFile: string | null,
  msMax: number = limits.keySetFetchMsMax,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(msMax)
    const fail = (reason: string): void => reject(new TokenKeyError(`${url}: ${reason}`))
    const failed = (error: Error): void => fail(signal.aborted ? `no whole answer within ${msMax} ms` : error.message)
    const isSecure = url.startsWith('https:')
    const ca = caFile === null || !isSecure ? {} : { ca: readAuthorities(caFile) }
    const options = {
      ...ca,
      minVersion: 'TLSv1.2' as const,
      // A connection of its own: nothing is left open between two questions minutes apart.
      agent: false,
      headers: { accept: 'application/jwk-set+json, application/json' },
      signal,
    }
    const asking = (isSecure ? requestSecure : requestPlain)(url, options, (response) => {
      if (response.statusCode !== 200) {
        response.destroy()
        fail(`answered with status ${response.statusCode}`)
        return
      }
      const pieces: Buffer[] = []
      let bytes = 0
      response.on('data', (piece: Buffer) => {
        bytes += piece.length
        pieces.push(piece)
        if (bytes <= limits.tokenKeysBytesMax) return
        response.destroy()
        fail('too large for a key set')
      })
      response.on('end', () => resolve(Buffer.concat(pieces).toString('utf8')))
      response.on('error', failed)
    })
    asking.on('error', failed)
    asking.end()
  })
}

function readAuthorities(file: string): Buffer {
  try {
    return readBounded(file, limits.smallFileBytesMax, 'regular')
  } catch (error) {
    throw new TokenKeyError(`${file}: ${readingProblem(error)}`)
  }
}
