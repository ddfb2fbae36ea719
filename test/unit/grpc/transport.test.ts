import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, constants } from 'node:http2'
import { test } from 'node:test'
import { InvariantError } from '../../../src/base/assert.ts'
import { noMember } from '../../../src/base/ids.ts'
import type { Log } from '../../../src/base/log.ts'
import { silentLog } from '../../../src/base/log.ts'
import { Code, EtcdError } from '../../../src/errors.ts'
import type { BidiHandler, UnaryHandler } from '../../../src/grpc/method.ts'
import { RawClient, serve, tableOf } from '../../support/grpc-harness.ts'
import { waitFor } from '../../support/wait-for.ts'

const rangePath = '/etcdserverpb.KV/Range'
const putPath = '/etcdserverpb.KV/Put'
const watchPath = '/etcdserverpb.Watch/Watch'

const echo: UnaryHandler = (_member, request) => request
const echoLater: UnaryHandler = async (_member, request) => request
const unary = (handler: UnaryHandler) => ({ kind: 'unary', handler }) as const
const bidi = (handler: BidiHandler) => ({ kind: 'bidi', handler }) as const

test('a unary call carries bytes both ways, answered at once or later', async () => {
  await using server = await serve(tableOf({ [rangePath]: unary(echo), [putPath]: unary(echoLater) }))
  using client = new RawClient(server.port)
  const bytes = Buffer.from([0, 255, 1, 2])
  assert.deepEqual(await client.unary(rangePath, bytes), bytes)
  assert.deepEqual(await client.unary(putPath, bytes), bytes)
  assert.equal((await client.unary(rangePath, Buffer.alloc(0))).length, 0)
})

test('an answer may be larger than 4 MiB', async () => {
  await using server = await serve(tableOf({ [rangePath]: unary(() => new Uint8Array(9_000_000)) }))
  using client = new RawClient(server.port)
  assert.equal((await client.unary(rangePath, Buffer.alloc(0))).length, 9_000_000)
})

test('a request may exceed the request limit by the overhead and no more', async () => {
  const overhead = 512 * 1024
  await using server = await serve(tableOf({ [rangePath]: unary((_m, r) => Buffer.from(String(r.length))) }), {
    maxRequestBytes: 100_000,
  })
  using client = new RawClient(server.port)
  assert.equal(String(await client.unary(rangePath, Buffer.alloc(100_000 + overhead))), String(100_000 + overhead))
  const refused = await client.refusal(rangePath, Buffer.alloc(100_001 + overhead))
  assert.equal(refused.code, Code.ResourceExhausted)
})

for (const { name, thrown, code, details } of [
  {
    name: 'a refusal keeps code and text',
    thrown: new EtcdError('compacted', { cause: 'secret' }),
    code: Code.OutOfRange,
    details: 'etcdserver: mvcc: required revision has been compacted',
  },
  { name: 'a defect is told to nobody', thrown: new Error('secret'), code: Code.Internal, details: 'internal error' },
  {
    name: 'a broken invariant too',
    thrown: new InvariantError('secret'),
    code: Code.Internal,
    details: 'internal error',
  },
]) {
  test(`errors: ${name}`, async () => {
    const logged: unknown[] = []
    const log: Log = { ...silentLog, error: (...args) => logged.push(args), fatal: (...args) => logged.push(args) }
    const table = tableOf({
      [rangePath]: unary(() => {
        throw thrown
      }),
      [putPath]: unary(() => Promise.reject(thrown)),
      [watchPath]: bidi(() => {
        throw thrown
      }),
    })
    await using server = await serve(table, { log })
    using client = new RawClient(server.port)
    for (const path of [rangePath, putPath]) {
      const refused = await client.refusal(path, Buffer.alloc(0))
      assert.deepEqual([refused.code, refused.details], [code, details])
    }
    const call = client.bidi(watchPath)
    const [refused] = await once(call, 'error')
    assert.deepEqual([refused.code, refused.details], [code, details])
    assert.equal(logged.length, code === Code.Internal ? 3 : 0)
  })
}

for (const [path, details] of [
  ['/etcdserverpb.Cluster/MemberAdd', 'unknown service etcdserverpb.Cluster'],
  ['/etcdserverpb.KV/Put', 'unknown method Put for service etcdserverpb.KV'],
  ['/etcdserverpb.None/Range', 'unknown service etcdserverpb.None'],
  ['/etcdserverpb.KV/Nothing', 'unknown method Nothing for service etcdserverpb.KV'],
  ['/', 'malformed method name: "/"'],
  ['//', 'unknown service '],
  ['/etcdserverpb.KV/Range/', 'unknown service etcdserverpb.KV/Range'],
  ['/ETCDSERVERPB.KV/RANGE', 'unknown service ETCDSERVERPB.KV'],
  ['/Range', 'malformed method name: "/Range"'],
  ['/__proto__/constructor', 'unknown service __proto__'],
  ['/etcdserverpb.KV/constructor', 'unknown method constructor for service etcdserverpb.KV'],
  ['/etcdserverpb.KV/%52ange', 'unknown method %52ange for service etcdserverpb.KV'],
  ['/etcdserverpb.KV/Range?x=1', 'unknown method Range?x=1 for service etcdserverpb.KV'],
] as const) {
  test(`unimplemented: ${path}`, async () => {
    await using server = await serve(tableOf({ [rangePath]: unary(echo) }))
    using client = new RawClient(server.port)
    const refused = await client.refusal(path, Buffer.alloc(0))
    assert.deepEqual([refused.code, refused.details], [Code.Unimplemented, details])
  })
}

test('a client that insists on a leader is refused without one', async () => {
  await using server = await serve(tableOf({ [rangePath]: unary(echo) }))
  using client = new RawClient(server.port)
  server.member.setLeader(noMember)
  assert.equal((await client.unary(rangePath, Buffer.from('a'))).length, 1)
  const refused = await client.refusal(rangePath, Buffer.from('a'), { hasleader: 'true' })
  assert.deepEqual([refused.code, refused.details], [Code.Unavailable, 'etcdserver: no leader'])
})

test('the late answer to a cancelled call is dropped', async () => {
  let answer: ((bytes: Uint8Array) => void) | undefined
  const asked = Promise.withResolvers<void>()
  const slow: UnaryHandler = () => {
    asked.resolve()
    return new Promise((resolve) => {
      answer = resolve
    })
  }
  await using server = await serve(tableOf({ [rangePath]: unary(slow), [putPath]: unary(echo) }))
  using client = new RawClient(server.port)
  const call = client.unary(rangePath, Buffer.alloc(0), {}, 100)
  await asked.promise
  await assert.rejects(call, { code: Code.DeadlineExceeded })
  answer!(Buffer.from('late'))
  assert.equal((await client.unary(putPath, Buffer.from('a'))).length, 1)
})

test('a stream passes messages in order, knows the half-close and ends with OK', async () => {
  const handler: BidiHandler = (_member, stream) => {
    stream.onMessage((message) => stream.write(message))
    stream.onEnd(() => stream.end())
  }
  await using server = await serve(tableOf({ [watchPath]: bidi(handler) }))
  using client = new RawClient(server.port)
  const call = client.bidi(watchPath)
  const got: string[] = []
  call.on('data', (bytes: Buffer) => got.push(bytes.toString()))
  const wanted = Array.from({ length: 500 }, (_, i) => String(i))
  for (const text of wanted) call.write(Buffer.from(text))
  call.end()
  const [status] = await once(call, 'status')
  assert.equal(status.code, Code.Ok)
  assert.deepEqual(got, wanted)
})

test('a stream that the client resets is closed once, and writing to it afterwards is harmless', async () => {
  const closed = Promise.withResolvers<void>()
  let closes = 0
  const handler: BidiHandler = (_member, stream) => {
    stream.write(Buffer.from('hello'))
    stream.onClose(() => {
      closes++
      assert.equal(stream.write(Buffer.from('late')), true)
      stream.end(new EtcdError('stopped'))
      closed.resolve()
    })
  }
  await using server = await serve(tableOf({ [watchPath]: bidi(handler) }))
  using client = new RawClient(server.port)
  const call = client.bidi(watchPath)
  call.on('error', () => {})
  await once(call, 'data')
  call.cancel()
  await closed.promise
  assert.equal(closes, 1)
})

test('a stream whose client does not read says so, and says when it does again', async () => {
  const full = Promise.withResolvers<void>()
  const drained = Promise.withResolvers<void>()
  let written = 0
  const handler: BidiHandler = (_member, stream) => {
    stream.onDrain(() => drained.resolve())
    while (stream.write(Buffer.alloc(100_000))) written++
    full.resolve()
  }
  await using server = await serve(tableOf({ [watchPath]: bidi(handler) }))
  using client = new RawClient(server.port)
  const call = client.bidi(watchPath)
  call.on('error', () => {})
  call.pause()
  await full.promise
  assert.ok(written < 100)
  call.resume()
  call.on('data', () => {})
  await drained.promise
  call.cancel()
})

test('close waits for a call under way, refuses new connections, and cuts what takes too long', async () => {
  const asked = Promise.withResolvers<void>()
  let answer: ((bytes: Uint8Array) => void) | undefined
  const slow: UnaryHandler = () => {
    asked.resolve()
    return new Promise((resolve) => {
      answer = resolve
    })
  }
  const server = await serve(tableOf({ [rangePath]: unary(slow) }))
  using client = new RawClient(server.port)
  const call = client.unary(rangePath, Buffer.alloc(0))
  await asked.promise
  const closing = server.transport.close(5000)
  answer!(Buffer.from('done'))
  assert.equal(String(await call), 'done')
  await closing
  using other = new RawClient(server.port)
  assert.equal((await other.refusal(rangePath, Buffer.alloc(0))).code, Code.Unavailable)

  const stuck = await serve(tableOf({ [rangePath]: unary(() => new Promise(() => {})) }))
  using waiting = new RawClient(stuck.port)
  const lost = waiting.refusal(rangePath, Buffer.alloc(0))
  await new Promise((resolve) => setImmediate(resolve))
  await stuck.transport.close(50)
  assert.ok([Code.Unavailable, Code.Canceled].includes((await lost).code as 14 | 1))
})

test('what a client sends while the member stops is refused in a way that it may be sent again, and its connection not reset', async () => {
  const served: string[] = []
  const echoSoon: UnaryHandler = async (_member, request) => {
    served.push(String(request))
    await new Promise((resolve) => setTimeout(resolve, 5))
    return request
  }
  const server = await serve(tableOf({ [rangePath]: unary(echoSoon) }))
  const session = connect(`http://127.0.0.1:${server.port}`)
  const failures: unknown[] = []
  session.on('error', (error) => failures.push(error))
  let last = Number.POSITIVE_INFINITY
  session.once('goaway', (_code, lastStreamId) => {
    last = lastStreamId
  })
  const call = (name: string) => {
    const stream = session.request({ ':method': 'POST', ':path': rangePath, 'content-type': 'application/grpc' })
    const ended = Promise.withResolvers<string>()
    let status = ''
    stream.on('trailers', (fields) => {
      status = `status ${fields['grpc-status']}`
    })
    stream.on('error', () => {})
    stream.on('close', () => {
      const isRefused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM && stream.id! > last
      ended.resolve(`${name}: ${isRefused ? 'refused' : status}`)
    })
    stream.resume().end(Buffer.concat([Buffer.from([0, 0, 0, 0, name.length]), Buffer.from(name)]))
    return ended.promise
  }
  const first = call('first')
  await waitFor('the first call is served', () => served.length === 1)
  const closing = server.transport.close(5000)
  // The client has not been told yet.
  const second = call('second')
  assert.deepEqual(await Promise.all([first, second]), ['first: status 0', 'second: refused'])
  assert.deepEqual(served, ['first'])
  await closing
  assert.deepEqual(failures, [])
})

test('a stream that has no end of its own is told that the member stops, and nobody waits for it', async () => {
  const open = Promise.withResolvers<void>()
  const forever: BidiHandler = () => open.resolve()
  const server = await serve(tableOf({ [watchPath]: bidi(forever) }))
  using client = new RawClient(server.port)
  const stream = client.bidi(watchPath)
  const ended = once(stream, 'error')
  stream.write(Buffer.from('x'))
  await open.promise
  await server.transport.close(600_000)
  const [{ code, details }] = await ended
  assert.deepEqual([code, details], [Code.Unavailable, 'etcdserver: server stopped'])
})
