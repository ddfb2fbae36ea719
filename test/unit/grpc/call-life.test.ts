import assert from 'node:assert/strict'
import { once } from 'node:events'
import { constants } from 'node:http2'
import { test } from 'node:test'
import { limits } from '../../../src/base/limits.ts'
import { Code } from '../../../src/errors.ts'
import type { BidiHandler, UnaryHandler } from '../../../src/grpc/method.ts'
import type { Call } from '../../../src/service/call.ts'
import { RawClient, serve, tableOf } from '../../support/grpc-harness.ts'
import { frameFlags, frameTypes, http2Frame, http2Preface, literal, plain } from '../../support/hpack.ts'
import { call, frameOf, headersOf, http2Client, rawSocket } from '../../support/raw-http2.ts'
import { waitFor } from '../../support/wait-for.ts'

const rangePath = '/etcdserverpb.KV/Range'
const putPath = '/etcdserverpb.KV/Put'
const watchPath = '/etcdserverpb.Watch/Watch'
const request = frameOf(Buffer.from('a'))

/** A unary method that never answers, and the calls of it. */
function hanging() {
  const calls: Call[] = []
  const ends: number[] = []
  const handler: UnaryHandler = (_member, _request, call) => {
    const index = calls.push(call) - 1
    call.onEnd(() => ends.push(index))
    return new Promise(() => {})
  }
  return { calls, ends, table: tableOf({ [rangePath]: { kind: 'unary', handler } }) }
}

test('a call whose client resets the stream has ended', { timeout: 60_000 }, async () => {
  const { calls, ends, table } = hanging()
  await using server = await serve(table)
  const session = await http2Client(server.port)
  const [kept, reset] = [0, 1].map(() => session.request(headersOf(rangePath)))
  for (const stream of [kept!, reset!]) {
    stream.on('error', () => {})
    stream.end(request)
  }
  await waitFor('both calls are under way', () => calls.length === 2)
  assert.ok(calls.every(({ ended }) => !ended))
  reset!.close(constants.NGHTTP2_CANCEL)
  await waitFor('one call has ended', () => ends.length === 1)
  assert.deepEqual(
    calls.map(({ ended }) => ended),
    [false, true],
  )
  let late = 0
  calls[1]!.onEnd(() => late++)
  assert.equal(late, 1)
  session.destroy()
  await waitFor('the other has ended with its connection', () => ends.length === 2)
})

test('a call whose deadline passes is told so, and has ended', { timeout: 60_000 }, async () => {
  const { calls, table } = hanging()
  await using server = await serve(table)
  const answer = await call(server.port, headersOf(rangePath, { 'grpc-timeout': '20m' }), request)
  assert.deepEqual([answer.grpcStatus, answer.details], [Code.DeadlineExceeded, 'context deadline exceeded'])
  assert.equal(calls[0]?.ended, true)
})

test('a deadline ends a stream too', { timeout: 60_000 }, async () => {
  const closed = Promise.withResolvers<Call>()
  const handler: BidiHandler = (_member, stream, _fail, ofStream) => {
    stream.write(Buffer.from('hello'))
    stream.onClose(() => closed.resolve(ofStream))
  }
  await using server = await serve(tableOf({ [watchPath]: { kind: 'bidi', handler } }))
  const session = await http2Client(server.port)
  const stream = session.request(headersOf(watchPath, { 'grpc-timeout': '50m' }))
  stream.resume()
  const [trailers] = await once(stream, 'trailers')
  assert.equal(Number(trailers['grpc-status']), Code.DeadlineExceeded)
  assert.equal((await closed.promise).ended, true)
  // The client has not ended its side: the server does not wait for that.
  await once(stream, 'close')
  assert.equal(stream.rstCode, constants.NGHTTP2_NO_ERROR)
  session.destroy()
})

test('a call that is cancelled while it waits for room is not carried out', { timeout: 60_000 }, async () => {
  let carriedOut = 0
  const large = Buffer.alloc(8 * 1024 * 1024)
  await using server = await serve(
    tableOf({
      [rangePath]: { kind: 'unary', handler: () => large },
      [putPath]: {
        kind: 'unary',
        handler: (_member, bytes) => {
          carriedOut++
          return bytes
        },
      },
    }),
  )
  const session = await http2Client(server.port)
  const unread = Array.from({ length: 2 * (limits.connectionUnsentBytesMax / large.length) }, () => {
    const stream = session.request(headersOf(rangePath))
    stream.on('error', () => {})
    stream.end(request)
    return stream
  })
  await Promise.all(unread.slice(0, 8).map((stream) => once(stream, 'response')))
  await new Promise((resolve) => session.ping(resolve))
  // Not all are answered: the rest waits until the client reads.
  const answered = unread.filter((stream) => stream.state.state === constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_LOCAL)
  assert.ok(answered.length > 0)
  const [waiting, cancelled] = [0, 1].map(() => session.request(headersOf(putPath)))
  for (const stream of [waiting!, cancelled!]) {
    stream.on('error', () => {})
    stream.end(request)
  }
  await new Promise((resolve) => session.ping(resolve))
  assert.equal(carriedOut, 0)
  cancelled!.close(constants.NGHTTP2_CANCEL)
  const other = new RawClient(server.port)
  assert.equal((await other.unary(putPath, Buffer.from('b'))).length, 1)
  other[Symbol.dispose]()
  assert.equal(carriedOut, 1)

  const received = unread.map(async (stream) => {
    let bytes = 0
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    await once(stream, 'end')
    return bytes
  })
  waiting!.resume()
  await once(waiting!, 'end')
  for (const bytes of await Promise.all(received)) assert.equal(bytes, large.length + 5)
  assert.equal(carriedOut, 2)
  session.destroy()
})

test('what many connections leave unread is bounded together, and no other client waits for them', {
  timeout: 60_000,
}, async () => {
  let carriedOut = 0
  const large = Buffer.alloc(8 * 1024 * 1024)
  const handler: UnaryHandler = (_member, bytes) => {
    carriedOut++
    return bytes.length === 1 ? large : bytes
  }
  await using server = await serve(tableOf({ [rangePath]: { kind: 'unary', handler } }))
  const ofOne = limits.connectionUnsentBytesMax / large.length
  const count = (2 * limits.threadUnsentBytesMax) / limits.connectionUnsentBytesMax
  const sessions = await Promise.all(Array.from({ length: count }, () => http2Client(server.port)))
  const unread = sessions.flatMap((session) =>
    Array.from({ length: ofOne }, () => {
      const stream = session.request(headersOf(rangePath))
      stream.on('error', () => {})
      stream.end(request)
      return stream
    }),
  )
  await Promise.all(sessions.map((session) => new Promise((resolve) => session.ping(resolve))))
  // Once all is taken, each has one answer at most: it has its share then.
  assert.ok(carriedOut * large.length <= limits.threadUnsentBytesMax + count * large.length, `${carriedOut} answers`)
  const before = carriedOut
  const other = new RawClient(server.port)
  assert.equal((await other.unary(rangePath, Buffer.from('ab'))).length, 2)
  other[Symbol.dispose]()
  assert.equal(carriedOut, before + 1)

  for (const stream of unread.slice(ofOne)) stream.close(constants.NGHTTP2_CANCEL)
  for (const stream of unread.slice(0, ofOne)) stream.resume()
  await Promise.all(unread.slice(0, ofOne).map((stream) => once(stream, 'end')))
  for (const session of sessions) session.destroy()
})

test('a handler that holds a client back gets no more of what came in the same piece, until it wants to', {
  timeout: 60_000,
}, async () => {
  const seen: number[] = []
  const streams: Parameters<BidiHandler>[1][] = []
  const handler: BidiHandler = (_member, stream) => {
    streams.push(stream)
    stream.onMessage((message) => {
      seen.push(message[0]!)
      stream.pause?.()
      // Within the last but one: what waits goes on in the same turn.
      if (message[0] === 3) stream.resume?.()
    })
    stream.onEnd(() => stream.end())
  }
  await using server = await serve(tableOf({ [watchPath]: { kind: 'bidi', handler } }))
  const session = await http2Client(server.port)
  const stream = session.request(headersOf(watchPath))
  stream.end(Buffer.concat([1, 2, 3, 4].map((byte) => frameOf(Buffer.of(byte)))))
  const ended = once(stream, 'close')
  stream.resume()
  await waitFor('the first has come', () => seen.length > 0)
  await new Promise((resolve) => session.ping(resolve))
  assert.deepEqual(seen, [1])
  streams[0]!.resume?.()
  assert.deepEqual(seen, [1, 2])
  streams[0]!.resume?.()
  assert.deepEqual(seen, [1, 2, 3, 4])
  streams[0]!.resume?.()
  await ended
  assert.deepEqual(seen, [1, 2, 3, 4])
  session.destroy()
})

test('a call that is reset in the piece in which it comes has no effect', { timeout: 60_000 }, async () => {
  const { calls, ends, table } = hanging()
  await using server = await serve(table)
  const socket = await rawSocket(server.port)
  const block = Buffer.concat(
    [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', rangePath],
      ['content-type', 'application/grpc'],
    ].map(([name, value]) => literal('without indexing', plain(name!), plain(value!))),
  )
  const { headers, data, settings } = frameTypes
  const pieces = [http2Preface, http2Frame(settings, 0, 0, Buffer.alloc(0))]
  for (let id = 1; id < 200; id += 2) {
    pieces.push(http2Frame(headers, frameFlags.endHeaders, id, block))
    pieces.push(http2Frame(data, id % 4 === 1 ? frameFlags.endStream : 0, id, request))
    pieces.push(http2Frame(3, 0, id, Buffer.from([0, 0, 0, constants.NGHTTP2_CANCEL])))
  }
  pieces.push(http2Frame(frameTypes.ping, 0, 0, Buffer.alloc(8)))
  const answered = new Promise((resolve) => socket.once('data', resolve))
  socket.write(Buffer.concat(pieces))
  await answered
  socket.destroy()
  await waitFor('whatever began has ended', () => ends.length === calls.length)
  assert.equal((await call(server.port, headersOf('/none'), request)).grpcStatus, Code.Unimplemented)
})

test('a message that is cut short by a reset harms nobody', { timeout: 60_000 }, async () => {
  await using server = await serve(tableOf({ [putPath]: { kind: 'unary', handler: (_member, bytes) => bytes } }))
  const session = await http2Client(server.port)
  const stream = session.request(headersOf(putPath))
  stream.on('error', () => {})
  stream.write(frameOf(Buffer.from('abc'), 1000))
  await new Promise((resolve) => session.ping(resolve))
  stream.close(constants.NGHTTP2_CANCEL)
  await new Promise((resolve) => session.ping(resolve))
  session.destroy()
  assert.equal((await call(server.port, headersOf(putPath), request)).grpcStatus, Code.Ok)
})

test('unfinished requests of one connection are bounded together, and given back', { timeout: 60_000 }, async () => {
  await using server = await serve(tableOf({ [putPath]: { kind: 'unary', handler: (_member, bytes) => bytes } }), {
    maxRequestBytes: limits.connectionHeldBytesMax,
  })
  const session = await http2Client(server.port)
  const length = limits.connectionHeldBytesMax / 2
  const half = frameOf(Buffer.alloc(length - 1), length)
  const statuses: number[] = []
  const send = () => {
    const stream = session.request(headersOf(putPath))
    stream.on('error', () => {})
    stream.on('response', (headers) => statuses.push(Number(headers['grpc-status'] ?? -1)))
    stream.write(half)
    return stream
  }
  const streams = [send(), send(), send()]
  await waitFor('one is refused', () => statuses.length > 0)
  assert.ok(statuses.length < streams.length)
  assert.ok(statuses.every((status) => status === Code.ResourceExhausted))
  for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL)
  session.destroy()

  const again = await call(server.port, headersOf(putPath), frameOf(Buffer.alloc(1_000_000)))
  assert.equal(again.grpcStatus, Code.Ok)
})

test('a client that opens and resets streams at the rate of an impatient one keeps its connection', {
  timeout: 60_000,
}, async () => {
  const { calls, table } = hanging()
  await using server = await serve(table)
  const session = await http2Client(server.port)
  for (let batch = 1; batch <= 20; batch++) {
    const streams = Array.from({ length: 100 }, () => session.request(headersOf(rangePath)))
    for (const stream of streams) {
      stream.on('error', () => {})
      stream.end(request)
    }
    await waitFor('the calls are under way', () => calls.length === 100 * batch)
    for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL)
  }
  assert.equal(session.destroyed, false)
  await waitFor('all calls have ended', () => calls.every(({ ended }) => ended))
  session.destroy()
})
