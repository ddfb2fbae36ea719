import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Session, connect as connectHttp2, constants, type OutgoingHttpHeaders } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { silentLog } from '../../../src/base/log.ts'
import { Code } from '../../../src/errors.ts'
import type { BidiHandler, UnaryHandler } from '../../../src/grpc/method.ts'
import { RawClient, serve, tableOf } from '../../support/grpc-harness.ts'

const rangePath = '/etcdserverpb.KV/Range'
const watchPath = '/etcdserverpb.Watch/Watch'
const echo: UnaryHandler = async (_member, request) => request
const silentStream: BidiHandler = (_member, stream) => stream.onMessage(() => {})
const table = tableOf({
  [rangePath]: { kind: 'unary', handler: echo },
  [watchPath]: { kind: 'bidi', handler: silentStream },
})

/** The server still answers others. */
async function assertServes(port: number): Promise<void> {
  using client = new RawClient(port)
  assert.equal(String(await client.unary(rangePath, Buffer.from('alive'))), 'alive')
}

async function http2Client(port: number): Promise<ClientHttp2Session> {
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  await once(session, 'connect')
  return session
}

const headersOf = (path: string, more: OutgoingHttpHeaders = {}): OutgoingHttpHeaders => ({
  ':method': 'POST',
  ':path': path,
  'content-type': 'application/grpc',
  te: 'trailers',
  ...more,
})

const frameOf = (message: Uint8Array, length = message.length, compressed = 0): Buffer => {
  const frame = Buffer.alloc(5 + message.length)
  frame[0] = compressed
  frame.writeUInt32BE(length, 1)
  frame.set(message, 5)
  return frame
}

interface Answer {
  readonly httpStatus: number
  readonly grpcStatus: number | undefined
  readonly body: Buffer
}

/** One call at the level of HTTP/2: any headers, any body. */
async function call(port: number, headers: OutgoingHttpHeaders, body: Uint8Array): Promise<Answer> {
  const session = await http2Client(port)
  try {
    const stream = session.request(headers)
    stream.on('error', () => {})
    const chunks: Buffer[] = []
    let httpStatus = 0
    let grpcStatus: number | undefined
    const read = (from: Record<string, unknown>): void => {
      if (from['grpc-status'] !== undefined) grpcStatus = Number(from['grpc-status'])
    }
    stream.on('response', (got) => {
      httpStatus = Number(got[':status'])
      read(got)
    })
    stream.on('trailers', read)
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.end(body)
    await once(stream, 'close')
    return { httpStatus, grpcStatus, body: Buffer.concat(chunks) }
  } finally {
    session.destroy()
  }
}

async function rawSocket(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Everything the server says until it closes the connection. */
async function untilClosed(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'close')
  return Buffer.concat(chunks)
}

for (const { name, timeout } of [
  { name: 'a month in seconds', timeout: '2592000S' },
  { name: 'as many hours as can be written', timeout: '99999999H' },
  { name: 'minutes', timeout: '99999999M' },
  { name: 'milliseconds', timeout: '5000m' },
]) {
  test(`timeout: ${name} has not passed yet`, async () => {
    await using server = await serve(table)
    const answer = await call(server.port, headersOf(rangePath, { 'grpc-timeout': timeout }), frameOf(Buffer.from('a')))
    assert.equal(answer.grpcStatus, Code.Ok)
  })
}

test('the authority may be a URL, as etcdctl 3.4 sends it without TLS', async () => {
  await using server = await serve(table)
  const headers = headersOf(rangePath, { ':authority': `http://127.0.0.1:${server.port}` })
  assert.equal((await call(server.port, headers, frameOf(Buffer.from('a')))).grpcStatus, Code.Ok)
})

for (const { name, headers, body, httpStatus, grpcStatus } of [
  { name: 'no message', headers: {}, body: Buffer.alloc(0), httpStatus: 200, grpcStatus: Code.Unimplemented },
  {
    name: 'two messages',
    headers: {},
    body: Buffer.concat([frameOf(Buffer.from('a')), frameOf(Buffer.from('b'))]),
    httpStatus: 200,
    grpcStatus: Code.Unimplemented,
  },
  {
    name: 'a length of 4 GiB',
    headers: {},
    body: frameOf(Buffer.from('a'), 0xffffffff),
    httpStatus: 200,
    grpcStatus: Code.ResourceExhausted,
  },
  {
    name: 'gzip that is none',
    headers: { 'grpc-encoding': 'gzip' },
    body: frameOf(Buffer.from('a'), 1, 1),
    httpStatus: 200,
    grpcStatus: Code.Internal,
  },
  {
    name: 'an unknown compression',
    headers: { 'grpc-encoding': 'rot13' },
    body: frameOf(Buffer.from('a'), 1, 1),
    httpStatus: 200,
    grpcStatus: Code.Unimplemented,
  },
  {
    name: 'a timeout that is none',
    headers: { 'grpc-timeout': 'soon' },
    body: frameOf(Buffer.from('a')),
    httpStatus: 200,
    grpcStatus: Code.Internal,
  },
  {
    name: 'another content type',
    headers: { 'content-type': 'text/html' },
    body: frameOf(Buffer.from('a')),
    httpStatus: 415,
    grpcStatus: Code.InvalidArgument,
  },
]) {
  test(`hostile call: ${name}`, async () => {
    await using server = await serve(table)
    const answer = await call(server.port, headersOf(rangePath, headers), body)
    assert.deepEqual([answer.httpStatus, answer.grpcStatus], [httpStatus, grpcStatus])
    await assertServes(server.port)
  })
}

for (const { name, bytes } of [
  { name: 'NULs', bytes: Buffer.alloc(64) },
  { name: 'a TLS hello on a plaintext port', bytes: Buffer.from('16030100f1010000ed0303', 'hex') },
  {
    name: 'the preface and then garbage',
    bytes: Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff'.padEnd(60, '\xff'), 'latin1'),
  },
  { name: 'a preface that is none', bytes: Buffer.from('PRInting something else entirely, at length', 'latin1') },
  {
    name: 'a frame longer than allowed',
    bytes: Buffer.concat([
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
      Buffer.from('000000040000000000', 'hex'),
      Buffer.from('ffffff000000000001', 'hex'),
      Buffer.alloc(20_000),
    ]),
  },
]) {
  test(`hostile connection: ${name}`, async () => {
    await using server = await serve(table)
    const socket = await rawSocket(server.port)
    socket.write(bytes)
    await untilClosed(socket)
    await assertServes(server.port)
  })
}

for (const request of ['GET /health HTTP/1.1\r\nHost: x\r\n\r\n', 'POST /v3/kv/range HTTP/1.0\r\n\r\n']) {
  test(`an HTTP/1 client is told so: ${request.slice(0, 12)}`, async () => {
    await using server = await serve(table)
    const socket = await rawSocket(server.port)
    socket.write(request)
    assert.match((await untilClosed(socket)).toString('latin1'), /^HTTP\/1\.1 426 .*gRPC over HTTP\/2 only\.$/s)
  })
}

test('the preface may arrive byte by byte', async () => {
  await using server = await serve(table)
  const socket = await rawSocket(server.port)
  socket.setNoDelay(true)
  const answered = once(socket, 'data')
  const hello = Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
    Buffer.from('000000040000000000', 'hex'),
  ])
  for (const byte of hello) {
    socket.write(Uint8Array.of(byte))
    await new Promise((resolve) => setImmediate(resolve))
  }
  const [settings] = await answered
  assert.equal(settings[3], 4, 'a SETTINGS frame')
  socket.destroy()
})

test('half-open and half-closed connections do no harm', async () => {
  await using server = await serve(table)
  const sockets = await Promise.all(Array.from({ length: 50 }, () => rawSocket(server.port)))
  for (const [i, socket] of sockets.entries()) {
    if (i % 3 === 0) socket.end('P')
    else if (i % 3 === 1) socket.write('PR')
  }
  await Promise.all(sockets.filter((_, i) => i % 3 === 0).map((socket) => untilClosed(socket)))
  await assertServes(server.port)
  for (const socket of sockets) socket.destroy()
})

test('a client that resets streams in a loop is sent away, and only it', async () => {
  await using server = await serve(table)
  const session = await http2Client(server.port)
  const gone = new Promise<number>((resolve) => session.once('goaway', resolve))
  for (let i = 0; i < 20_000 && !session.closed && !session.destroyed; i++) {
    const stream = session.request(headersOf(watchPath))
    stream.on('error', () => {})
    stream.close(constants.NGHTTP2_CANCEL)
    if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(await gone, constants.NGHTTP2_INTERNAL_ERROR)
  session.destroy()
  await assertServes(server.port)
})

test('the limit of concurrent streams is announced, and a client at it harms no other', async () => {
  await using server = await serve(table, { maxConcurrentStreams: 10 })
  const session = await http2Client(server.port)
  await once(session, 'remoteSettings')
  const streams = Array.from({ length: 11 }, () => {
    const stream = session.request(headersOf(watchPath))
    stream.on('error', () => {})
    return stream
  })
  assert.equal(session.remoteSettings.maxConcurrentStreams, 10)
  await assertServes(server.port)
  for (const stream of streams) stream.close()
  session.destroy()
})

test('a client that pings all the time is sent away; one that pings as often as data comes is not', async () => {
  await using server = await serve(table)
  const session = await http2Client(server.port)
  const gone = once(session, 'goaway')
  for (let i = 0; i < 4; i++) session.ping(() => {})
  const [code, , data] = await gone
  assert.equal(code, constants.NGHTTP2_ENHANCE_YOUR_CALM)
  assert.equal(String(data), 'too_many_pings')
  session.destroy()

  const chatty: BidiHandler = (_member, stream) => stream.onMessage((message) => stream.write(message))
  await using streaming = await serve(tableOf({ [watchPath]: { kind: 'bidi', handler: chatty } }))
  const other = await http2Client(streaming.port)
  let sentAway = false
  other.on('goaway', () => {
    sentAway = true
  })
  const stream = other.request(headersOf(watchPath))
  for (let i = 0; i < 20; i++) {
    stream.write(frameOf(Buffer.from('x')))
    await once(stream, 'data')
    await new Promise((resolve) => other.ping(resolve))
  }
  assert.equal(sentAway, false)
  other.destroy()
})

test('a client that is sent away for its pings is logged once, however many came at once', async () => {
  const lines: string[] = []
  await using server = await serve(table, { log: { ...silentLog, warn: (message) => lines.push(message) } })
  const socket = connect(server.port, '127.0.0.1')
  const ping = Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1')
  socket.on('error', () => {})
  socket.resume()
  socket.write(Buffer.concat([preface, ...Array<Buffer>(200).fill(ping)]))
  await once(socket, 'close')
  assert.deepEqual(lines, ['closed a client connection: too many pings'])
})

test('a compressed request is understood, and one that unpacks to too much is refused', async () => {
  const { gzipSync } = await import('node:zlib')
  await using server = await serve(table, { maxRequestBytes: 1000 })
  const gzip = headersOf(rangePath, { 'grpc-encoding': 'gzip' })
  const small = gzipSync('hello')
  const answer = await call(server.port, gzip, frameOf(small, small.length, 1))
  assert.deepEqual([answer.grpcStatus, String(answer.body.subarray(5))], [Code.Ok, 'hello'])
  const bomb = gzipSync(Buffer.alloc(50_000_000))
  assert.equal((await call(server.port, gzip, frameOf(bomb, bomb.length, 1))).grpcStatus, Code.ResourceExhausted)
  await assertServes(server.port)
})
