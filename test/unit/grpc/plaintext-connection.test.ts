import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'
import fc from 'fast-check'
import { PlaintextConnection } from '../../../src/grpc/plaintext-connection.ts'
import { http2Preface } from '../../support/hpack.ts'
import { waitFor } from '../../support/wait-for.ts'

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** Both ends of a TCP connection, the server's within a PlaintextConnection. */
async function pair() {
  const server = createServer({ allowHalfOpen: true })
  const port = await listening(server)
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const [socket] = await accepted
  client.on('error', () => {})
  socket.on('error', () => {})
  const connection = new PlaintextConnection(socket)
  return {
    client,
    socket,
    connection,
    async [Symbol.asyncDispose]() {
      connection.destroy()
      client.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Everything that `stream` gives until it ends. */
async function textOf(stream: Duplex): Promise<string> {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.resume()
  await once(stream, 'end')
  return Buffer.concat(chunks).toString('latin1')
}

test('bytes go both ways, and each side ends by itself', { timeout: 60_000 }, async () => {
  await using both = await pair()
  both.client.end(http2Preface)
  assert.equal(await textOf(both.connection), http2Preface.toString())
  both.connection.cork()
  for (const word of ['still ', 'open ', 'here']) both.connection.write(word)
  both.connection.uncork()
  both.connection.end('!')
  assert.equal(await textOf(both.client), 'still open here!')
  await waitFor('all is closed', () => both.socket.destroyed && both.connection.destroyed)
})

test('what was held back comes out at the end', { timeout: 60_000 }, async () => {
  await using both = await pair()
  both.client.end(`${http2Preface}cut`)
  assert.equal(await textOf(both.connection), `${http2Preface}cut`)
})

test('a client is not read faster than its bytes are taken', { timeout: 60_000 }, async () => {
  await using both = await pair()
  // Zeros are empty frames.
  const all = Buffer.concat([http2Preface, Buffer.alloc(16 * 1024 * 1024)])
  both.client.end(all)
  both.connection.read(0)
  let before = -1
  await waitFor('the client is stuck', () => {
    const read = both.socket.bytesRead
    const isStuck = read === before && read > 0
    before = read
    return isStuck
  })
  assert.ok(both.socket.bytesRead < 1_000_000, String(both.socket.bytesRead))
  assert.equal((await textOf(both.connection)).length, all.length)
})

test('a client that does not read is not written to for ever', { timeout: 60_000 }, async () => {
  await using both = await pair()
  both.client.pause()
  const chunk = Buffer.alloc(1024 * 1024)
  let written = 0
  while (both.connection.write(chunk)) written++
  assert.ok(written < 64, String(written))
  both.connection.end()
  assert.equal((await textOf(both.client)).length, (written + 1) * chunk.length)
})

test('a reset by the client is an error here', { timeout: 60_000 }, async () => {
  await using both = await pair()
  const failed = once(both.connection, 'error') as Promise<[NodeJS.ErrnoException]>
  both.connection.resume()
  both.client.resetAndDestroy()
  const [error] = await failed
  assert.equal(error.code, 'ECONNRESET')
  assert.ok(both.connection.destroyed)
})

test('destroying one end closes the other', { timeout: 60_000 }, async () => {
  await using first = await pair()
  first.connection.resume()
  const closed = once(first.client, 'close')
  first.client.resume().once('end', () => first.client.end())
  first.connection.destroy()
  await closed
  assert.ok(first.socket.destroyed)

  await using second = await pair()
  second.socket.destroy()
  await waitFor('the connection is closed', () => second.connection.closed)
})

/** A server that answers each request with the authority that it saw, and who asked. */
async function echoServer() {
  const http2 = createHttp2Server()
  http2.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.respond({ authority: headers[':authority'] })
    stream.end()
  })
  const sockets = new Set<Socket>()
  const tcp = createServer((socket) => {
    sockets.add(socket)
    http2.emit('connection', new PlaintextConnection(socket))
  })
  const port = await listening(tcp)
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      tcp.close()
      await once(tcp, 'close')
    },
  }
}

async function seenAuthority(session: ClientHttp2Session, authority: string): Promise<unknown> {
  const stream = session.request({ ':authority': authority })
  stream.resume()
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
  await once(stream, 'close')
  return headers.authority
}

test('a real HTTP/2 client and server agree, whatever is spelled out and what comes from their tables', async () => {
  await using server = await echoServer()
  const session = connectHttp2(`http://127.0.0.1:${server.port}`)
  try {
    const character = fc.constantFrom(...'///.:[]%0123456789abcxyzABCXYZ!$&()*+,;=_~-')
    const authority = fc.string({ unit: character, minLength: 1, maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(authority, async (text) => {
        for (let times = 0; times < 2; times++)
          assert.equal(await seenAuthority(session, text), text.replaceAll('/', '.'))
      }),
    )
  } finally {
    session.destroy()
  }
})

test('other characters that are not allowed are refused as ever', { timeout: 60_000 }, async () => {
  await using server = await echoServer()
  const session = connectHttp2(`http://127.0.0.1:${server.port}`)
  try {
    for (const authority of ['a b', 'a"b', 'a@b', 'http://a b'])
      await assert.rejects(seenAuthority(session, authority), { code: 'ERR_HTTP2_STREAM_ERROR' }, authority)
  } finally {
    session.destroy()
  }
})
