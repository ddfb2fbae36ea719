import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { limits } from '../../../src/base/limits.ts'
import { silentLog } from '../../../src/base/log.ts'
import { HealthCounts } from '../../../src/http/health-counts.ts'
import { createHttp1Server, type Http1Server } from '../../../src/http/http1-server.ts'
import { FakeMember } from '../../support/fake-member.ts'
import { waitFor } from '../../support/wait-for.ts'

describe('HTTP/1.1', () => {
  let http: Http1Server
  let port: number
  let metrics: () => Promise<string> = async () => 'some 1\n'
  const opened = new Set<Socket>()
  const server = createServer((socket) => {
    socket.on('error', () => {})
    opened.add(socket)
    socket.once('close', () => opened.delete(socket))
    http.accept(socket)
  })

  before(async () => {
    const member = new FakeMember()
    member.read = () => 1 as never
    http = createHttp1Server({
      member,
      metrics: () => metrics(),
      healthCounts: new HealthCounts(),
      log: silentLog,
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  })
  after(() => {
    http.close()
    server.close()
  })

  /** Everything that is answered until the server closes. */
  async function exchange(...pieces: string[]): Promise<string> {
    const socket = connect(port, '127.0.0.1')
    const received: Buffer[] = []
    socket.on('data', (chunk: Buffer) => received.push(chunk))
    socket.on('error', () => {})
    for (const piece of pieces) socket.write(piece, 'latin1')
    await new Promise((resolve) => socket.once('close', resolve))
    return Buffer.concat(received).toString('latin1')
  }

  const request = (line: string, ...fields: string[]): string => [line, 'Host: a', ...fields, '', ''].join('\r\n')
  const last = 'Connection: close'
  const statuses = (text: string): string[] => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status!)

  test('several requests go over one connection, pipelined or not', async () => {
    const answers = await exchange(
      request('GET /health HTTP/1.1') + request('GET /version HTTP/1.1'),
      request('GET /metrics HTTP/1.1', last),
    )
    assert.deepEqual(statuses(answers), ['200', '200', '200'])
    assert.match(answers, /\{"health":"true"\}[\s\S]*"etcdserver"[\s\S]*some 1\n$/)
  })

  test('HEAD has the length and no body', async () => {
    const answer = await exchange(request('HEAD /metrics HTTP/1.1', last))
    assert.match(answer, /Content-Length: 7\r\n/)
    assert.ok(answer.endsWith('\r\n\r\n'), answer)
  })

  test('a body is not read: its connection closes after the answer', async () => {
    const answers = await exchange(request('POST /health HTTP/1.1', 'Content-Length: 24') + request('GET /x HTTP/1.1'))
    assert.deepEqual(statuses(answers), ['405'])
    const chunked = await exchange(request('GET /health HTTP/1.1', 'Transfer-Encoding: chunked'))
    assert.deepEqual(statuses(chunked), ['200'])
  })

  for (const { name, pieces, status } of [
    { name: 'rubbish', pieces: ['GET \0 HTTP/9\r\n\r\n'], status: '400' },
    { name: 'no host', pieces: ['GET /health HTTP/1.1\r\n\r\n'], status: '400' },
    {
      name: 'both lengths',
      pieces: [request('POST / HTTP/1.1', 'Content-Length: 1', 'Transfer-Encoding: chunked')],
      status: '400',
    },
    { name: 'a path of 17 KB', pieces: [request(`GET /${'a'.repeat(17_000)} HTTP/1.1`)], status: '431' },
    {
      name: 'endless header fields',
      pieces: [request('GET / HTTP/1.1', ...Array.from({ length: 3000 }, (_, i) => `X-${i}: 123`))],
      status: '431',
    },
    {
      name: 'an upgrade',
      pieces: [request('GET /health HTTP/1.1', 'Connection: upgrade, close', 'Upgrade: h2c')],
      status: '200',
    },
    { name: 'an absolute URL', pieces: [request('GET http://a/health HTTP/1.1', last)], status: '404' },
  ])
    test(`${name}: ${status}`, async () => {
      assert.deepEqual(statuses(await exchange(...pieces)), [status])
    })

  test('metrics that cannot be had are 503, and say no more', async () => {
    metrics = () => Promise.reject(new Error('secret reason'))
    const answer = await exchange(request('GET /metrics HTTP/1.1', last))
    metrics = async () => 'some 1\n'
    assert.deepEqual(statuses(answer), ['503'])
    assert.ok(!answer.includes('secret'))
  })

  test('of more connections than there may be the one goes that was answered longest ago', async () => {
    const all = Array.from({ length: limits.http1ConnectionsMax }, () =>
      connect(port, '127.0.0.1').on('error', () => {}),
    )
    await waitFor('all are open', () => opened.size === limits.http1ConnectionsMax)
    const [first, second] = all as [Socket, Socket]
    const answerOn = async (socket: Socket): Promise<string> => {
      socket.write(request('GET /health HTTP/1.1'))
      const [chunk] = (await once(socket, 'data')) as [Buffer]
      return chunk.toString('latin1')
    }
    assert.match(await answerOn(first), /200 OK/)
    const secondClosed = once(second, 'close')
    assert.deepEqual(statuses(await exchange(request('GET /health HTTP/1.1', last))), ['200'])
    await secondClosed
    assert.match(await answerOn(first), /200 OK/)
    for (const socket of all) socket.destroy()
    await waitFor('all are gone', () => opened.size === 0)
  })
})
