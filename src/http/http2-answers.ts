import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { limits } from '../base/limits.ts'
import type { Answer } from './answer.ts'

/** Begins the answer of one request over HTTP/2. Errors of the stream have a listener already. */
export type AnswerStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void

/**
 * Answers over HTTP/2 what `http1-server.ts` answers: curl, Prometheus and others choose it where both are offered. A request has
 * as long as one over HTTP/1.1, and no more are open at once: one more ends the oldest.
 *
 * @param answerTo never rejects.
 */
export function http2Answers(answerTo: (method: string, url: string) => Promise<Answer>): AnswerStream {
  const open = new Set<ServerHttp2Stream>()
  let last = { body: '', bytes: Buffer.alloc(0) }
  /** Metrics are the same text for all who ask in one moment: thousands of requests on one connection copy it once. */
  const bytesOf = (body: string): Buffer => {
    if (body !== last.body) last = { body, bytes: Buffer.from(body) }
    return last.bytes
  }
  return (stream, headers) => {
    if (open.size >= limits.http1ConnectionsMax) {
      const [oldest] = open
      open.delete(oldest!)
      oldest!.close(constants.NGHTTP2_CANCEL)
    }
    open.add(stream)
    const deadline = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), limits.http1AnswerMsMax).unref()
    stream.once('close', () => {
      clearTimeout(deadline)
      open.delete(stream)
    })
    // A body is taken by nobody.
    stream.resume()
    const { ':method': method = '', ':path': url = '' } = headers
    answerTo(method, url).then(({ status, headers: fields, body }) => {
      if (stream.destroyed || stream.closed) return
      const bytes = bytesOf(body)
      stream.respond({ ...fields, ':status': status, 'content-length': bytes.length }, { endStream: method === 'HEAD' })
      if (method !== 'HEAD') stream.end(bytes)
    })
  }
}
