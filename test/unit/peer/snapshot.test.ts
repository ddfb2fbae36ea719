import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { afterEach, test } from 'node:test'
import { type Message, MessageKind } from '../../../src/raft/types.ts'
import type { SnapshotSink, SnapshotSource, StagedState } from '../../../src/replica/ports.ts'
import { closeAll, connectAll, type FakeReplica, fakeReplica, heartbeat, until } from './fake-replica.ts'

const replicas: FakeReplica[] = []
afterEach(() => closeAll(replicas.splice(0)))

async function pair(): Promise<[FakeReplica, FakeReplica]> {
  const one = fakeReplica({ id: 1n })
  const two = fakeReplica({ id: 2n })
  replicas.push(one, two)
  await connectAll(replicas, 'http')
  return [one, two]
}

interface CountedSource extends SnapshotSource {
  readonly hash: string
  readBytes: number
  closed: number
}

function source(chunks: number, chunkBytes: number, failAt = -1): CountedSource {
  const chunkOf = (i: number): Buffer => Buffer.alloc(chunkBytes, i + 1)
  const hash = createHash('sha256')
  for (let i = 0; i < chunks; i++) hash.update(chunkOf(i))
  let i = 0
  return {
    hash: hash.digest('hex'),
    readBytes: 0,
    closed: 0,
    next() {
      assert.equal(this.closed, 0, 'not read after close')
      if (i === failAt) throw new Error('disk fault')
      if (i === chunks) return null
      this.readBytes += chunkBytes
      return chunkOf(i++)
    },
    read: () => assert.fail('not for the transport'),
    close() {
      this.closed++
    },
  }
}

interface CountedSink extends SnapshotSink {
  writtenBytes: number
  digest: string
  aborted: number
}

const staged: StagedState = { install: (done) => done(), discard() {} }

/** @param gate waits before each chunk is taken. */
function sink(options: { gate?: () => Promise<void>; failAtBytes?: number; finishError?: Error } = {}): CountedSink {
  const hash = createHash('sha256')
  let busy = false
  return {
    writtenBytes: 0,
    digest: '',
    aborted: 0,
    write(chunk, done) {
      assert.equal(busy, false, 'one at a time')
      assert.equal(this.aborted, 0, 'not after abort')
      busy = true
      hash.update(chunk)
      this.writtenBytes += chunk.length
      const after = (): void => {
        busy = false
        if (options.failAtBytes !== undefined && this.writtenBytes >= options.failAtBytes)
          done(new Error('/secret/path full'))
        else done()
      }
      if (options.gate === undefined) setImmediate(after)
      else void options.gate().then(after)
    },
    finish(done) {
      this.digest = hash.digest('hex')
      const error = options.finishError ?? null
      setImmediate(() => done(error, error === null ? staged : null))
    },
    abort() {
      this.aborted++
    },
  }
}

const message = (from: FakeReplica, to: FakeReplica): Message => ({
  kind: MessageKind.Snapshot,
  from: from.id,
  to: to.id,
  term: 3,
  snapshot: { index: 1234, term: 2, confState: { voters: [from.id], learners: [to.id] } },
})

const send = (from: FakeReplica, to: FakeReplica, from_: SnapshotSource) =>
  new Promise<Error | undefined>((resolve) => from.transport.peers.sendSnapshot(message(from, to), from_, resolve))

test('50 MiB arrive whole, and the receiver hears of them before the sender does', async () => {
  const [one, two] = await pair()
  const into = sink()
  two.acceptSnapshot = () => into
  const from = source(50, 1024 * 1024)
  assert.equal(await send(one, two, from), undefined)
  assert.equal(into.digest, from.hash)
  assert.equal(into.aborted, 0)
  assert.equal(from.closed, 1)
  assert.equal(two.snapshots.length, 1)
  assert.equal(two.snapshots[0]!.staged, staged)
  assert.deepEqual(two.snapshots[0]!.message.snapshot, message(one, two).snapshot)
})

test('a receiver whose disk is busy holds back the sender, and messages flow beside it', async () => {
  const [one, two] = await pair()
  let open: () => void = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  const into = sink({ gate: () => opened })
  two.acceptSnapshot = () => into
  const from = source(64, 1024 * 1024)
  const result = send(one, two, from)
  let lastRead = -1
  let stillPolls = 0
  await until('the sender stands still', () => {
    stillPolls = from.readBytes === lastRead ? stillPolls + 1 : 0
    lastRead = from.readBytes
    return stillPolls === 40 && into.writtenBytes > 0
  })
  one.transport.peers.send([heartbeat(one, two, 8)])
  await until('the message is there', () => two.received.length === 1)
  assert.ok(into.writtenBytes <= 1024 * 1024)
  assert.ok(from.readBytes < 32 * 1024 * 1024, `read ahead ${from.readBytes} bytes`)
  open()
  assert.equal(await result, undefined)
  assert.equal(into.digest, from.hash)
})

for (const { name, accept, want } of [
  { name: 'does not want it', accept: () => null, want: /snapshot refused: not wanted/ },
  { name: 'fails in the middle', accept: () => sink({ failAtBytes: 3000 }), want: /snapshot refused: failed$/ },
  {
    name: 'fails at the end',
    accept: () => sink({ finishError: new Error('end mark is missing') }),
    want: /refused: failed$/,
  },
]) {
  test(`a receiver that ${name} says so, and nothing is delivered`, async () => {
    const [one, two] = await pair()
    const into = accept()
    two.acceptSnapshot = () => into
    const from = source(10, 1000)
    assert.match(String(await send(one, two, from)), want)
    assert.equal(from.closed, 1)
    assert.deepEqual(two.snapshots, [])
    assert.ok(!one.warnings.some((line) => line.includes('/secret/path')))
  })
}

test('a source that fails ends the transfer, and the receiver throws its part away', async () => {
  const [one, two] = await pair()
  const into = sink()
  two.acceptSnapshot = () => into
  const from = source(10, 1000, 5)
  assert.match(String(await send(one, two, from)), /disk fault/)
  await until('the sink is aborted', () => into.aborted === 1)
  assert.equal(from.closed, 1)
  assert.deepEqual(two.snapshots, [])
})

for (const who of ['sender', 'receiver'] as const) {
  test(`a ${who} that stops in the middle fails the transfer on both sides`, async () => {
    const [one, two] = await pair()
    const into = sink({ gate: () => new Promise((resolve) => setTimeout(resolve, 5)) })
    two.acceptSnapshot = () => into
    const from = source(1000, 100_000)
    const result = send(one, two, from)
    await until('it has begun', () => into.writtenBytes > 0)
    await (who === 'sender' ? one : two).transport.close()
    assert.match(String(await result), /snapshot not delivered/)
    assert.equal(from.closed, 1)
    await until('the sink is aborted', () => into.aborted === 1)
    assert.deepEqual(two.snapshots, [])
  })
}

test('a snapshot to nobody fails later, and its source is closed', async () => {
  const [one, two] = await pair()
  const from = source(1, 1)
  const to = { ...two, id: 99n as typeof two.id }
  assert.match(String(await send(one, to, from)), /no connection to member 63/)
  assert.equal(from.closed, 1)
})
