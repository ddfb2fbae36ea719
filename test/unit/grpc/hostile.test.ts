import assert from 'node:assert/strict'
import { once } from 'node:events'
import { constants, type OutgoingHttpHeaders } from 'node:http2'
import { connect } from 'node:net'
import { test } from 'node:test'
import { deflateSync, gzipSync } from 'node:zlib'
import { silentLog } from '../../../src/base/log.ts'
import { Code } from '../../../src/errors.ts'
import type { BidiHandler, UnaryHandler } from '../../../src/grpc/method.ts'
import { RawClient, serve, tableOf } from '../../support/grpc-harness.ts'
import { frameFlags, frameTypes, http2Frame, http2Preface, literal, plain } from '../../support/hpack.ts'
import { call, frameOf, headersOf, http2Client, rawSocket, untilClosed } from '../../support/raw-http2.ts'

const rangePath = '/etcdserverpb.KV/Range'
const watchPath = '/etcdserverpb.Watch/Watch'
const echo: UnaryHandler = async (_member, request) => request
const silentStream: BidiHandler = (_member, stream) => stream.onMessage(() => {})
const table = tableOf({
  [rangePath]: { kind: 'unary', handler: echo },
  [watchPath]: { kind: 'bidi', handler: silentStream },
})

interface HostileCall {
  readonly name: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: Buffer
  readonly chunkBytes?: number
  readonly httpStatus?: number
  readonly grpcStatus: Code
  readonly details?: string
}

/** The server still answers others. */
async function assertServes(port: number): Promise<void> {
  using client = new RawClient(port)
  assert.equal(String(await client.unary(rangePath, Buffer.from('alive'))), 'alive')
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

const one = frameOf(Buffer.from('a'))
const overhead = 512 * 1024
for (const { name, headers = {}, body = one, chunkBytes, httpStatus = 200, grpcStatus, details } of [
  { name: 'no message', body: Buffer.alloc(0), grpcStatus: Code.Unimplemented, details: 'no message on a unary call' },
  {
    name: 'two messages',
    body: Buffer.concat([one, one]),
    grpcStatus: Code.Unimplemented,
    details: 'a second message on a unary call',
  },
  {
    name: 'a message that is cut short',
    body: frameOf(Buffer.from('abc'), 4),
    grpcStatus: Code.Internal,
    details: 'unexpected EOF',
  },
  { name: 'half a length', body: Buffer.alloc(3), grpcStatus: Code.Internal, details: 'unexpected EOF' },
  {
    name: 'a length of 4 GiB',
    body: frameOf(Buffer.from('a'), 0xffffffff),
    grpcStatus: Code.ResourceExhausted,
    details: `grpc: received message larger than max (4294967295 vs. ${1_572_864 + overhead})`,
  },
  {
    name: 'a flag that is none',
    body: frameOf(Buffer.from('a'), 1, 7),
    grpcStatus: Code.Internal,
    details: 'grpc: received unexpected payload format 7',
  },
  {
    name: 'gzip that is none',
    headers: { 'grpc-encoding': 'gzip' },
    body: frameOf(Buffer.from('a'), 1, 1),
    grpcStatus: Code.Internal,
    details: 'grpc: failed to decompress the received message: unexpected end of file',
  },
  {
    name: 'compression without saying which',
    body: frameOf(Buffer.from('a'), 1, 1),
    grpcStatus: Code.Internal,
    details: 'grpc: compressed flag set with identity or empty encoding',
  },
  {
    name: 'an unknown compression',
    headers: { 'grpc-encoding': 'rot13' },
    body: frameOf(Buffer.from('a'), 1, 1),
    grpcStatus: Code.Unimplemented,
    details: 'grpc: Decompressor is not installed for grpc-encoding "rot13"',
  },
  {
    name: 'a timeout that is none',
    headers: { 'grpc-timeout': 'soon' },
    grpcStatus: Code.Internal,
    details: 'malformed grpc-timeout: strconv.ParseUint: parsing "soo": invalid syntax',
  },
  {
    name: 'another content type',
    headers: { 'content-type': 'text/html' },
    httpStatus: 415,
    grpcStatus: Code.InvalidArgument,
    details: 'invalid gRPC request content-type "text/html"',
  },
  {
    name: 'a content type that only begins alike',
    headers: { 'content-type': 'application/grpc-web' },
    httpStatus: 415,
    grpcStatus: Code.InvalidArgument,
    details: 'invalid gRPC request content-type "application/grpc-web"',
  },
  {
    name: 'another method',
    headers: { ':method': 'PUT' },
    httpStatus: 405,
    grpcStatus: Code.Internal,
    details: 'Received a HEADERS frame with :method "PUT" which should be POST',
  },
  { name: 'none: a subtype', headers: { 'content-type': 'application/grpc+proto' }, grpcStatus: Code.Ok },
  { name: 'none: a parameter', headers: { 'content-type': 'Application/gRPC;charset=utf-8' }, grpcStatus: Code.Ok },
  { name: 'none: no te', headers: { te: undefined }, grpcStatus: Code.Ok },
  { name: 'none: a deadline and identity', headers: { 'grpc-encoding': 'identity' }, grpcStatus: Code.Ok },
  { name: 'none: malformed metadata that nobody reads', headers: { 'x-bin': '***' }, grpcStatus: Code.Ok },
  { name: 'none: byte by byte', body: frameOf(Buffer.from('hello')), chunkBytes: 1, grpcStatus: Code.Ok },
] as readonly HostileCall[]) {
  test(`hostile call: ${name}`, async () => {
    await using server = await serve(table)
    const answer = await call(server.port, headersOf(rangePath, headers), body, chunkBytes)
    assert.deepEqual([answer.httpStatus, answer.grpcStatus, answer.details], [httpStatus, grpcStatus, details])
    assert.equal(answer.headers['grpc-accept-encoding'], 'identity,deflate,gzip')
    if (grpcStatus === Code.Ok) assert.deepEqual(answer.body, body)
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
  test(`an HTTP/1 client is handed over, and what it said with it: ${request.slice(0, 12)}`, async () => {
    await using server = await serve(table)
    const socket = await rawSocket(server.port)
    socket.write(request)
    assert.equal((await untilClosed(socket)).toString('latin1'), request)
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

for (const { encoding, compress } of [
  { encoding: 'gzip', compress: gzipSync },
  { encoding: 'deflate', compress: deflateSync },
]) {
  test(`a request in ${encoding} is understood, and one that unpacks to too much is refused`, async () => {
    await using server = await serve(table, { maxRequestBytes: 1000 })
    const headers = headersOf(rangePath, { 'grpc-encoding': encoding })
    const small = compress('hello')
    const answer = await call(server.port, headers, frameOf(small, small.length, 1))
    assert.deepEqual([answer.grpcStatus, String(answer.body.subarray(5))], [Code.Ok, 'hello'])
    const bomb = compress(Buffer.alloc(50_000_000))
    const refused = await call(server.port, headers, frameOf(bomb, bomb.length, 1))
    assert.equal(refused.grpcStatus, Code.ResourceExhausted)
    assert.match(refused.details!, /^grpc: received message larger than max \(more than 525288 vs\. 525288\)$/)
    await assertServes(server.port)
  })
}

test('messages of a stream keep their order, whether compressed or not', async () => {
  const chatty: BidiHandler = (_member, stream) => {
    stream.onMessage((message) => stream.write(message))
    stream.onEnd(() => stream.end())
  }
  await using server = await serve(tableOf({ [watchPath]: { kind: 'bidi', handler: chatty } }))
  const texts = Array.from({ length: 20 }, (_, i) => `message ${i}`)
  const frames = texts.map((text, i) => {
    const bytes = i % 3 === 0 ? Buffer.from(text) : gzipSync(text)
    return frameOf(bytes, bytes.length, i % 3 === 0 ? 0 : 1)
  })
  const answer = await call(server.port, headersOf(watchPath, { 'grpc-encoding': 'gzip' }), Buffer.concat(frames))
  assert.equal(answer.grpcStatus, Code.Ok)
  assert.deepEqual(answer.body, Buffer.concat(texts.map((text) => frameOf(Buffer.from(text)))))
})

const none = Buffer.alloc(0)
const { endHeaders } = frameFlags
const { data, headers: headersType, settings, ping, continuation } = frameTypes
const hello = Buffer.concat([http2Preface, http2Frame(settings, 0, 0, none)])
const requestBlock = Buffer.concat(
  [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', watchPath],
    [':authority', 'x'],
    ['content-type', 'application/grpc'],
  ].map(([name, value]) => literal('without indexing', plain(name!), plain(value!))),
)
for (const { name, opening, repeated, times } of [
  { name: 'SETTINGS', opening: Buffer.alloc(0), repeated: http2Frame(settings, 0, 0, none), times: 50_000 },
  { name: 'PING', opening: Buffer.alloc(0), repeated: http2Frame(ping, 0, 0, Buffer.alloc(8)), times: 50_000 },
  {
    name: 'empty DATA',
    opening: http2Frame(headersType, endHeaders, 1, requestBlock),
    repeated: http2Frame(data, 0, 1, none),
    times: 50_000,
  },
  {
    name: 'CONTINUATION without end',
    opening: http2Frame(headersType, 0, 1, requestBlock),
    repeated: http2Frame(continuation, 0, 1, none),
    times: 50_000,
  },
  {
    name: 'header fields without end',
    opening: http2Frame(headersType, 0, 1, requestBlock),
    repeated: http2Frame(continuation, 0, 1, Buffer.alloc(16_384, 0x82)),
    times: 1000,
  },
]) {
  test(`flood: ${name} ends the connection, and only it`, { timeout: 60_000 }, async () => {
    await using server = await serve(table)
    const socket = await rawSocket(server.port)
    socket.pause()
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write(Buffer.concat([hello, opening]))
    const burst = Buffer.concat(Array<Buffer>(100).fill(repeated))
    for (let sent = 0; sent < times && !socket.destroyed; sent += 100) {
      await new Promise<void>((resolve) => socket.write(burst, () => resolve()))
    }
    socket.resume()
    await closed
    await assertServes(server.port)
  })
}

test('too many header fields, or too long ones, are refused', async () => {
  await using server = await serve(table)
  const session = await http2Client(server.port)
  // The answer comes after the acknowledgement of the server's settings, by which the limit is in force.
  await new Promise((resolve) => session.ping(resolve))
  for (const more of [
    { 'x-long': 'v'.repeat(20_000) },
    Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`x-${i}`, 'v'])),
  ]) {
    const stream = session.request(headersOf(rangePath, more))
    stream.on('error', () => {})
    stream.end(one)
    await new Promise((resolve) => stream.once('close', resolve))
    assert.equal(stream.rstCode, constants.NGHTTP2_ENHANCE_YOUR_CALM)
  }
  session.destroy()
  await assertServes(server.port)
})

test('a token with blanks around it is not as if none had come', async () => {
  const tellToken: UnaryHandler = async (_member, _request, { credentials }) =>
    Buffer.from(credentials === 'member' ? 'member' : JSON.stringify(credentials.token))
  await using server = await serve(tableOf({ [rangePath]: { kind: 'unary', handler: tellToken } }))
  for (const [field, value, want] of [
    ['token', 'abc ', 'abc '],
    ['token', ' abc', ' abc'],
    ['token', 'abc\t', 'abc\t'],
    ['authorization', 'Bearer ', ''],
    ['authorization', 'Bearer abc ', 'abc '],
  ] as const) {
    const { body } = await call(server.port, headersOf(rangePath, { [field]: value }), one)
    assert.equal(JSON.parse(body.subarray(5).toString()), want, JSON.stringify([field, value]))
  }
})

test('a client that is gone without a word is noticed by the pings', { timeout: 60_000 }, async () => {
  await using server = await serve(table, { grpcKeepaliveIntervalMs: 20, grpcKeepaliveTimeoutMs: 100 })
  const alive = await http2Client(server.port)
  let pings = 0
  const pinged = new Promise<void>((resolve) => alive.on('ping', () => ++pings === 3 && resolve()))
  await pinged
  assert.equal(alive.destroyed, false)
  alive.destroy()

  // Speaks HTTP/2 as far as the settings, and answers no ping.
  const silent = await rawSocket(server.port)
  silent.write(hello)
  await untilClosed(silent)
  await assertServes(server.port)
})
