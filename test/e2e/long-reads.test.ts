import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { PutRequest, RangeRequest, RangeResponse, TxnRequest } from '../../src/wire/gen/rpc.ts'
import { TestCluster } from '../support/cluster.ts'
import { GrpcConnection } from '../support/grpc-connection.ts'
import { within } from '../support/within.ts'

const keys = 40_000
const keysPerTxn = 4000
const waitMsMax = 60_000
const none = new Uint8Array(0)
const rangePath = '/etcdserverpb.KV/Range'

let cluster: TestCluster
let connection: GrpcConnection
let other: GrpcConnection

before(async () => {
  cluster = await TestCluster.start({ size: 1, flags: ['--serve-threads=1', '--max-txn-ops=10000'] })
  const url = cluster.members[0]!.clientUrl
  connection = new GrpcConnection(url, cluster.certificates.client)
  other = new GrpcConnection(url, cluster.certificates.client)
  for (let from = 0; from < keys; from += keysPerTxn) {
    await putAll(Array.from({ length: keysPerTxn }, (_, n) => `k/${String(from + n).padStart(6, '0')}`))
  }
})

after(async () => {
  connection?.[Symbol.dispose]()
  other?.[Symbol.dispose]()
  await cluster?.[Symbol.asyncDispose]()
})

function putAll(names: readonly string[], value = 'v'.repeat(100)): Promise<Uint8Array> {
  const success = names.map((name) => ({
    request: {
      $case: 'request_put' as const,
      value: { ...PutRequest.decode(none), key: Buffer.from(name), value: Buffer.from(value) },
    },
  }))
  const request = TxnRequest.encode({ compare: [], success, failure: [] }).finish()
  return within('a write', other.unary('/etcdserverpb.KV/Txn', request), waitMsMax)
}

const rangeOf = (more: Partial<RangeRequest>): Uint8Array =>
  RangeRequest.encode({ ...RangeRequest.decode(none), ...more }).finish()
const everything = rangeOf({ key: Buffer.from('k/'), range_end: Buffer.from('k0') })
const get = rangeOf({ key: Buffer.from('k/000001') })

test('others of the same thread are answered many times during a long read, which shows one state', async () => {
  let written = 0
  let during = 0
  for (let round = 0; round < 3; round++) {
    await putAll(['k/', 'k/~'], `pair ${written}`)
    let isDone = false
    const long = connection.unary(rangePath, everything).finally(() => {
      isDone = true
    })
    while (!isDone) {
      await within('a short read', other.unary(rangePath, get), waitMsMax)
      written++
      await putAll(['k/', 'k/~'], `pair ${written}`)
      during++
    }
    const { kvs, count, header } = RangeResponse.decode(await long)
    assert.equal(count, BigInt(keys + 2))
    assert.equal(kvs.length, keys + 2)
    assert.deepEqual(kvs[0]!.value, kvs.at(-1)!.value)
    assert.ok(kvs.every(({ mod_revision }) => mod_revision <= header!.revision))
  }
  assert.ok(during > 3 * 10, `${during} writes and reads during three long reads`)
})

test('long reads that are given up by the hundred leave room for those that come after', async () => {
  for (let n = 0; n < 300; n++) {
    const call = connection.open(
      rangePath,
      () => {},
      () => {},
    )
    call.send(everything)
    call.end()
    // Every fourth has begun to be answered, or made; others are given up as they come.
    if (n % 4 === 0) await within('a short read', other.unary(rangePath, get), waitMsMax)
    call.reset()
  }
  const { count } = RangeResponse.decode(
    await within('a long read', connection.unary(rangePath, everything), waitMsMax),
  )
  assert.equal(count, BigInt(keys + 2))
})

test('long answers that nobody takes do not keep others from theirs, or the member from closing', async () => {
  const identity = cluster.certificates.client
  const url = cluster.members[0]!.clientUrl
  using lazy = new GrpcConnection(url, identity, 64 * 1024)
  for (let n = 0; n < 8; n++) {
    const call = lazy.open(
      rangePath,
      () => {},
      () => {},
    )
    call.stopReading()
    call.send(everything)
    call.end()
  }
  const { count } = RangeResponse.decode(
    await within('a long read', connection.unary(rangePath, everything), waitMsMax),
  )
  assert.equal(count, BigInt(keys + 2))
  const member = cluster.members[0]!
  assert.equal(await within('the member closes', member.terminate(), waitMsMax), 0)
})
