import { once } from 'node:events'
import { type ClientHttp2Session, connect as connectHttp2, type OutgoingHttpHeaders } from 'node:http2'
import { connect, type Socket } from 'node:net'

/** An HTTP/2 connection without TLS. */
export async function http2Client(port: number): Promise<ClientHttp2Session> {
  // What waits to be sent counts, and above the limit the client itself would refuse answers.
  const session = connectHttp2(`http://127.0.0.1:${port}`, { maxSessionMemory: 1000 })
  session.on('error', () => {})
  await once(session, 'connect')
  return session
}

/** The header fields of a gRPC call. */
export const headersOf = (path: string, more: OutgoingHttpHeaders = {}): OutgoingHttpHeaders => ({
  ':method': 'POST',
  ':path': path,
  'content-type': 'application/grpc',
  te: 'trailers',
  ...more,
})

/** A message as it is sent; its length and flag may be lies. */
export const frameOf = (message: Uint8Array, length = message.length, compressed = 0): Buffer => {
  const frame = Buffer.alloc(5 + message.length)
  frame[0] = compressed
  frame.writeUInt32BE(length, 1)
  frame.set(message, 5)
  return frame
}

export interface Answer {
  readonly httpStatus: number
  readonly grpcStatus: number | undefined
  readonly details: string | undefined
  readonly headers: Record<string, unknown>
  readonly body: Buffer
}

/** One call at the level of HTTP/2: any headers, any body. */
export async function call(
  port: number,
  headers: OutgoingHttpHeaders,
  body: Uint8Array,
  chunkBytes = body.length,
): Promise<Answer> {
  return callOn(await http2Client(port), headers, body, chunkBytes)
}

/** The same on a session, which it ends. */
export async function callOn(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body: Uint8Array,
  chunkBytes = body.length,
): Promise<Answer> {
  try {
    const stream = session.request(headers)
    stream.on('error', () => {})
    const chunks: Buffer[] = []
    let httpStatus = 0
    let grpcStatus: number | undefined
    let details: string | undefined
    let answered: Record<string, unknown> = {}
    const read = (from: Record<string, unknown>): void => {
      if (from['grpc-status'] !== undefined) grpcStatus = Number(from['grpc-status'])
      if (from['grpc-message'] !== undefined) details = decodeURIComponent(String(from['grpc-message']))
    }
    stream.on('response', (got) => {
      httpStatus = Number(got[':status'])
      answered = got
      read(got)
    })
    stream.on('trailers', read)
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    for (let at = 0; at < body.length; at += chunkBytes) {
      await new Promise((resolve) => stream.write(body.subarray(at, at + chunkBytes), resolve))
    }
    stream.end()
    await once(stream, 'close')
    return { httpStatus, grpcStatus, details, headers: answered, body: Buffer.concat(chunks) }
  } finally {
    session.destroy()
  }
}

export async function rawSocket(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Everything the server says until it closes the connection. */
export async function untilClosed(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'close')
  return Buffer.concat(chunks)
}
