import assert from 'node:assert/strict'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { after, before, beforeEach, describe, test } from 'node:test'
import { memberId } from '../../../src/base/ids.ts'
import { encodeFrame, FrameReader, FrameType } from '../../../src/peer/frame.ts'
import { helloFrame } from '../../../src/peer/hello.ts'
import { encodeMessage, messageSize } from '../../../src/peer/message-codec.ts'
import { strangersMax } from '../../../src/peer/peer-limits.ts'
import { type Message, MessageKind } from '../../../src/raft/types.ts'
import { PeerHello, PeerHello_Purpose } from '../../../src/wire/gen/internal.ts'
import { closeAll, cluster, type FakeReplica, fakeReplica, until } from './fake-replica.ts'

const self = memberId(1n)
const other = memberId(2n)
const noBytes = Buffer.alloc(0)

const messageFrame = (message: Partial<Message>): Buffer => {
  const full: Message = { kind: MessageKind.Heartbeat, from: other, to: self, term: 1, ...message }
  const payload = Buffer.alloc(messageSize(full))
  encodeMessage(full, payload, 0)
  return encodeFrame(FrameType.Message, payload)
}
const goodHello = helloFrame(cluster, other, self, PeerHello_Purpose.RAFT)
const snapshotHello = helloFrame(cluster, other, self, PeerHello_Purpose.SNAPSHOT)

describe('a listening member', () => {
  /** What it ends has not run out of time, however slow the machine is. */
  let replica: FakeReplica
  let impatient: FakeReplica
  const sockets: Socket[] = []
  before(async () => {
    // The member that the hostile side pretends to be has an address where nobody listens.
    const members = new Map([[other, { peerUrls: ['http://127.0.0.1:1'] }]])
    replica = fakeReplica({ id: self, members, timeouts: { helloMsMax: 600_000, silenceMsMax: 600_000 } })
    impatient = fakeReplica({ id: self, members, timeouts: { helloMsMax: 200, pingMs: 20, silenceMsMax: 100 } })
    await replica.transport.start()
    await impatient.transport.start()
  })
  beforeEach(() => {
    replica.received.length = 0
    replica.warnings.length = 0
  })
  after(async () => {
    for (const socket of sockets) socket.destroy()
    await closeAll([replica, impatient])
  })

  const dial = (to = replica): Socket => {
    const socket = connect(to.port(), '127.0.0.1')
    socket.on('error', () => {})
    sockets.push(socket)
    return socket
  }
  const closed = (socket: Socket) => until('the connection is closed', () => socket.closed)

  for (const { name, bytes } of [
    { name: 'an HTTP/2 preface', bytes: Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n') },
    { name: 'an HTTP/1 request', bytes: Buffer.from('GET /version HTTP/1.1\r\nHost: x\r\n\r\n') },
    { name: 'a TLS handshake', bytes: Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]) },
    { name: 'a huge length', bytes: Buffer.from([0x7f, 255, 255, 255, 1]) },
    { name: 'a hello larger than any', bytes: encodeFrame(FrameType.Hello, Buffer.alloc(2000)) },
    { name: 'a hello of garbage', bytes: encodeFrame(FrameType.Hello, Buffer.from([0xff, 0xff, 0xff])) },
    { name: 'a message before the hello', bytes: messageFrame({}) },
    { name: 'a ping before the hello', bytes: encodeFrame(FrameType.Ping, noBytes) },
    { name: 'a call before the hello', bytes: encodeFrame(FrameType.Call, noBytes) },
    { name: 'a second hello', bytes: Buffer.concat([goodHello, goodHello]) },
    { name: 'an unknown frame', bytes: Buffer.concat([goodHello, encodeFrame(99 as FrameType, noBytes)]) },
    { name: 'an answer to no call', bytes: Buffer.concat([goodHello, encodeFrame(FrameType.Answer, noBytes)]) },
    {
      name: 'a garbage message',
      bytes: Buffer.concat([goodHello, encodeFrame(FrameType.Message, Buffer.alloc(9, 0xff))]),
    },
    { name: 'a garbage call', bytes: Buffer.concat([goodHello, encodeFrame(FrameType.Call, Buffer.alloc(9, 0xff))]) },
    {
      name: 'a call of no method',
      bytes: Buffer.concat([goodHello, encodeFrame(FrameType.Call, Buffer.from([0x10, 9]))]),
    },
    { name: 'a message of another sender', bytes: Buffer.concat([goodHello, messageFrame({ from: memberId(3n) })]) },
    { name: 'a message to another member', bytes: Buffer.concat([goodHello, messageFrame({ to: memberId(3n) })]) },
    { name: 'a snapshot among messages', bytes: Buffer.concat([goodHello, snapshotMessage()]) },
    { name: 'a list of members', bytes: Buffer.concat([goodHello, encodeFrame(FrameType.Members, noBytes)]) },
    {
      name: 'a chunk among messages',
      bytes: Buffer.concat([goodHello, encodeFrame(FrameType.SnapshotChunk, noBytes)]),
    },
    {
      name: 'a chunk without a snapshot',
      bytes: Buffer.concat([snapshotHello, encodeFrame(FrameType.SnapshotChunk, noBytes)]),
    },
    { name: 'a heartbeat as snapshot', bytes: Buffer.concat([snapshotHello, messageFrame({})]) },
  ]) {
    test(`closes on ${name}`, async () => {
      const socket = dial()
      socket.resume()
      socket.write(bytes)
      await closed(socket)
      assert.deepEqual(replica.received, [])
    })
  }

  test('takes messages that come right behind a good hello, and closes on what is bad after them', async () => {
    const socket = dial()
    socket.resume()
    const bad = messageFrame({ from: memberId(3n) })
    socket.write(Buffer.concat([goodHello, messageFrame({ commit: 5 }), bad, messageFrame({ commit: 6 })]))
    await closed(socket)
    assert.deepEqual(
      replica.received.map((message) => message.commit),
      [5],
    )
  })

  for (const { name, bytes, reason } of [
    { name: 'another cluster', bytes: helloFrame(9n as never, other, self, 0), reason: 'wrong cluster id' },
    {
      name: 'another receiver',
      bytes: helloFrame(cluster, other, memberId(7n), 0),
      reason: 'not the member you are looking for',
    },
    { name: 'a stranger', bytes: helloFrame(cluster, memberId(8n), self, 0), reason: 'not a member of this cluster' },
    { name: 'the member itself', bytes: helloFrame(cluster, self, self, 0), reason: 'not a member of this cluster' },
    {
      name: 'a later version',
      bytes: encodeFrame(
        FrameType.Hello,
        PeerHello.encode({ version: 2, cluster_id: cluster, from: other, to: self, purpose: 0, refused: '' }).finish(),
      ),
      reason: 'version not supported',
    },
  ]) {
    test(`answers a hello of ${name} with the reason, hears no more, and logs it once`, async () => {
      for (let i = 0; i < 3; i++) {
        const socket = dial()
        const answers: PeerHello[] = []
        const reader = new FrameReader(1000, (_, payload) => answers.push(PeerHello.decode(payload)))
        socket.on('data', (chunk: Buffer) => reader.push(chunk))
        socket.write(Buffer.concat([bytes, messageFrame({})]))
        await closed(socket)
        assert.equal(answers.length, 1)
        assert.match(answers[0]!.refused, new RegExp(reason))
      }
      assert.deepEqual(replica.received, [])
      assert.ok(replica.warnings.filter((line) => line.includes(reason)).length === 1, replica.warnings.join('\n'))
    })
  }

  test('closes on a connection that says nothing, or half a hello', async () => {
    const silent = dial(impatient)
    const half = dial(impatient)
    half.write(goodHello.subarray(0, 7))
    await Promise.all([closed(silent.resume()), closed(half.resume())])
  })

  test('closes on a member that falls silent after its hello', async () => {
    const socket = dial(impatient)
    socket.resume()
    socket.write(goodHello)
    await closed(socket)
  })

  test('closes when the other side has closed its half', async () => {
    const socket = dial()
    socket.resume()
    socket.end(goodHello)
    await closed(socket)
  })

  test('keeps only the newest two connections of one member, and listens to both', async () => {
    const opened: Socket[] = []
    for (let i = 0; i < 3; i++) {
      const socket = dial()
      socket.resume()
      socket.write(goodHello)
      await new Promise((resolve) => socket.once('data', resolve))
      opened.push(socket)
    }
    const [first, second, third] = opened as [Socket, Socket, Socket]
    second.write(messageFrame({ commit: 2 }))
    third.write(messageFrame({ commit: 3 }))
    await closed(first)
    await until('the messages are there', () => replica.received.length === 2)
    second.destroy()
    third.destroy()
  })

  test('bounds the connections that have not said hello', async () => {
    const many = Array.from({ length: strangersMax + 20 }, dial)
    let open = many.length
    for (const socket of many) socket.resume().once('close', () => open--)
    await until('some are turned away', () => open === strangersMax)
    assert.ok(replica.warnings.some((line) => line.includes('too many')))
    for (const socket of many) socket.destroy()
    await until('all are gone', () => open === 0)
  })
})

describe('a dialing member', () => {
  const servers: Server[] = []
  const replicas: FakeReplica[] = []
  after(async () => {
    await closeAll(replicas)
    for (const server of servers) server.close()
  })

  /** A server that treats each connection with `serve`, and a member that believes it to be member 2. */
  async function against(serve: (socket: Socket) => void, silenceMsMax = 100): Promise<FakeReplica> {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      serve(socket)
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    assert.ok(address !== null && typeof address === 'object')
    const replica = fakeReplica({
      id: self,
      members: new Map([[other, { peerUrls: [`http://127.0.0.1:${address.port}`] }]]),
      timeouts: { helloMsMax: 100, pingMs: 20, silenceMsMax },
    })
    replicas.push(replica)
    await replica.transport.start()
    return replica
  }
  const back = helloFrame(cluster, other, self, PeerHello_Purpose.RAFT)

  for (const { name, serve, reason } of [
    { name: 'says nothing', serve: (socket: Socket) => void socket.resume(), reason: /no answer in time/ },
    { name: 'closes', serve: (socket: Socket) => void socket.resume().end(), reason: /closed|ECONNRESET/ },
    {
      name: 'sends garbage',
      serve: (socket: Socket) => void socket.resume().write('HTTP/1.1 400 Bad Request\r\n\r\n'),
      reason: /frame length/,
    },
    {
      name: 'is another member',
      serve: (socket: Socket) => void socket.resume().write(helloFrame(cluster, memberId(7n), self, 0)),
      reason: /not the member/,
    },
    {
      name: 'is of another cluster',
      serve: (socket: Socket) => void socket.resume().write(helloFrame(9n as never, other, self, 0)),
      reason: /wrong cluster/,
    },
    {
      name: 'refuses with text that would break a log',
      serve: (socket: Socket) =>
        void socket.resume().write(helloFrame(cluster, other, self, 0, `no\n\x1b[31m${'x'.repeat(500)}`)),
      reason: /refused: no\?\?\[31mx{1,200}"/,
    },
    {
      name: 'sends messages back',
      serve: (socket: Socket) => void socket.resume().write(Buffer.concat([back, messageFrame({})])),
      reason: /frame of type 2 from the dialed side/,
    },
    {
      name: 'sends a garbage list of members',
      serve: (socket: Socket) =>
        void socket.resume().write(Buffer.concat([back, encodeFrame(FrameType.Members, Buffer.from([10, 200, 1]))])),
      reason: /unreadable member list/,
    },
    { name: 'falls silent', serve: (socket: Socket) => void socket.resume().write(back), reason: /silent/ },
  ]) {
    test(`gives up on one that ${name}, reports it and tries again`, async () => {
      let connections = 0
      const replica = await against((socket) => {
        connections++
        serve(socket)
      })
      await until('it tried again', () => connections >= 2)
      // On a busy machine an attempt may also run out of time.
      await until(`${reason} is logged`, () => replica.warnings.some((line) => reason.test(line)))
      assert.ok(replica.unreachable.includes(other))
      assert.deepEqual(replica.received, [])
    })
  }

  test('drops and reports what a member does not take', async () => {
    // It says nothing after its hello, and is not to be given up for that.
    const replica = await against((socket) => {
      socket.once('data', () => socket.pause())
      socket.write(back)
    }, 600_000)
    await until('it is connected', () => replica.transport.connectedMs(other) !== null)
    const before = replica.unreachable.length
    const entries = [{ term: 1, index: 1, type: 'normal' as const, data: Buffer.alloc(1024 * 1024) }]
    const message: Message = { kind: MessageKind.Append, from: self, to: other, term: 1, index: 0, entries }
    for (let i = 0; i < 40; i++) replica.transport.peers.send([message])
    await until('the drop is reported', () => replica.unreachable.length > before)
    assert.notEqual(replica.transport.connectedMs(other), null, 'the connection is kept')
  })
})

function snapshotMessage(): Buffer {
  const confState = { voters: [self, other], learners: [] }
  return messageFrame({ kind: MessageKind.Snapshot, snapshot: { index: 5, term: 1, confState } })
}
