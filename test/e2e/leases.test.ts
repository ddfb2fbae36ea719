import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseLeasesResponse,
} from '../../src/wire/gen/rpc.ts'
import { TestCluster } from '../support/cluster.ts'
import { GrpcConnection } from '../support/grpc-connection.ts'
import type { TestMember } from '../support/member.ts'
import { waitFor } from '../support/wait-for.ts'
import { within } from '../support/within.ts'

const none = new Uint8Array(0)

/** A keep-alive stream: each answer's TTL in order, and how it ended. */
class KeepAlive {
  readonly answers: bigint[] = []
  ended: string | null = null
  readonly #call

  constructor(connection: GrpcConnection) {
    this.#call = connection.open(
      '/etcdserverpb.Lease/LeaseKeepAlive',
      (message) => void this.answers.push(LeaseKeepAliveResponse.decode(message).TTL),
      (problem) => {
        this.ended = problem ?? 'ok'
      },
    )
  }

  send(ID: bigint): void {
    this.#call.send(LeaseKeepAliveRequest.encode({ ID }).finish())
  }

  async renew(ID: bigint): Promise<bigint> {
    const count = this.answers.length + 1
    this.send(ID)
    await waitFor('a renewal is answered', () => this.answers.length >= count || this.ended !== null, 20_000)
    return this.answers[count - 1] ?? Promise.reject(new Error(`the stream ended: ${this.ended}`))
  }
}

describe('leases in a cluster of three', () => {
  let cluster: TestCluster
  const connections: GrpcConnection[] = []

  before(async () => {
    cluster = await TestCluster.start({ size: 3 })
  })
  after(async () => {
    for (const connection of connections) connection[Symbol.dispose]()
    await cluster?.[Symbol.asyncDispose]()
  })

  const connect = (member: TestMember): GrpcConnection => {
    const connection = new GrpcConnection(member.clientUrl, cluster.certificates.client)
    connections.push(connection)
    return connection
  }

  const grant = async (connection: GrpcConnection, TTL: bigint, ID = 0n): Promise<bigint> => {
    const request = LeaseGrantRequest.encode({ TTL, ID }).finish()
    return LeaseGrantResponse.decode(await connection.unary('/etcdserverpb.Lease/LeaseGrant', request)).ID
  }

  test('every member lists leases by their expiry', async () => {
    const all = cluster.members.map(connect)
    const ids: bigint[] = []
    for (const ttl of [500n, 900n, 700n, 700n, 700n, 600n]) ids.push(await grant(all[ids.length % 3]!, ttl))
    ids.push(await grant(all[0]!, 400n, -7n))
    await new KeepAlive(all[1]!).renew(ids[3]!)
    const want = [6, 0, 5, 2, 4, 3, 1].map((index) => ids[index])
    for (const connection of all) {
      const { leases } = LeaseLeasesResponse.decode(await connection.unary('/etcdserverpb.Lease/LeaseLeases', none))
      assert.deepEqual(
        leases.map(({ ID }) => ID),
        want,
      )
    }
  })

  test('a lease that is answered to be over has taken its keys along', async () => {
    const follower = connect(await cluster.follower())
    const id = await grant(follower, 2n)
    await cluster.etcdctl.ok('put', 'leased', 'x', `--lease=${id.toString(16)}`)
    const stream = new KeepAlive(follower)
    // Idle until it has expired; then asked at once, so that the question meets the revocation.
    const expires = performance.now() + 2000
    await waitFor('the lease expires', () => performance.now() > expires)
    while ((await stream.renew(id)) > 0n) {
      const again = performance.now() + 2000
      await waitFor('the lease expires', () => performance.now() > again)
    }
    assert.equal(await cluster.etcdctl.ok('get', 'leased'), '')
  })

  test('a keep-alive stream through a follower outlives the leader; without any it ends with "no leader"', async () => {
    const leader = await cluster.leader()
    const [first, second] = cluster.members.filter((member) => member !== leader)
    const stream = new KeepAlive(connect(first!))
    const id = await grant(connect(first!), 30n)
    assert.equal(await stream.renew(id), 30n)
    await leader.kill()
    assert.equal(await within('a renewal without a leader', stream.renew(id), 20_000), 30n)
    await second!.kill()
    stream.send(id)
    await waitFor('the stream ends', () => stream.ended !== null, 30_000)
    assert.equal(stream.ended, 'status 14: etcdserver: no leader')
  })
})
