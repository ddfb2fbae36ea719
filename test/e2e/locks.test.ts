import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { after, before, describe, test } from 'node:test'
import { credentials, type ServiceError } from '@grpc/grpc-js'
import { Code } from '../../src/errors.ts'
import {
  CampaignRequest,
  CampaignResponse,
  LeaderRequest,
  LeaderResponse,
  ResignRequest,
} from '../../src/wire/gen/election.ts'
import { LockRequest, LockResponse, UnlockRequest } from '../../src/wire/gen/lock.ts'
import { LeaseGrantRequest, LeaseGrantResponse, LeaseRevokeRequest } from '../../src/wire/gen/rpc.ts'
import { TestCluster } from '../support/cluster.ts'
import { RawClient } from '../support/grpc-harness.ts'
import type { TestMember } from '../support/member.ts'
import { waitFor } from '../support/wait-for.ts'
import { within } from '../support/within.ts'

const lockPath = '/v3lockpb.Lock/Lock'
const unlockPath = '/v3lockpb.Lock/Unlock'
const bytes = (text: string): Uint8Array => Buffer.from(text)

describe('locks and elections on three members', { timeout: 110_000 }, () => {
  let cluster: TestCluster
  let clients: RawClient[]

  const connect = (member: TestMember): RawClient => {
    const { caFile, certFile, keyFile } = cluster.certificates.client
    const creds = credentials.createSsl(readFileSync(caFile), readFileSync(keyFile), readFileSync(certFile))
    return new RawClient(Number(new URL(member.clientUrl).port), creds, {
      'grpc.ssl_target_name_override': 'localhost',
    })
  }
  const grant = async (client: RawClient, ttlSeconds = 60): Promise<bigint> => {
    const request = LeaseGrantRequest.encode({ TTL: BigInt(ttlSeconds), ID: 0n }).finish()
    return LeaseGrantResponse.decode(await client.unary('/etcdserverpb.Lease/LeaseGrant', request)).ID
  }
  const lockRequest = (name: string, lease: bigint): Uint8Array =>
    LockRequest.encode({ name: bytes(name), lease }).finish()
  const lock = async (client: RawClient, name: string, lease: bigint, deadlineMs = 30_000): Promise<LockResponse> =>
    LockResponse.decode(await client.unary(lockPath, lockRequest(name, lease), {}, deadlineMs))
  const unlock = (client: RawClient, key: Uint8Array): Promise<Buffer> =>
    client.unary(unlockPath, UnlockRequest.encode({ key }).finish())
  const keysUnder = async (prefix: string): Promise<number> =>
    (await cluster.etcdctl.ok('get', prefix, '--prefix', '--keys-only')).split('\n').filter((line) => line !== '')
      .length

  before(async () => {
    cluster = await TestCluster.start({ size: 3 })
    clients = cluster.members.map(connect)
  })
  after(async () => {
    for (const client of clients) client[Symbol.dispose]()
    await cluster[Symbol.asyncDispose]()
  })

  test('30 callers on three members hold a lock one after the other, with rising tokens', async () => {
    let holders = 0
    const tokens: bigint[] = []
    await within(
      'everyone has had it',
      Promise.all(
        Array.from({ length: 30 }, async (_, number) => {
          const client = clients[number % 3]!
          const { key, header } = await lock(client, 'mutex', await grant(client))
          assert.equal(++holders, 1, 'nobody else has it')
          tokens.push(header!.revision)
          await new Promise((resolve) => setImmediate(resolve))
          holders--
          await unlock(clients[(number + 1) % 3]!, key)
        }),
      ),
      60_000,
    )
    assert.equal(tokens.length, 30)
    for (const [at, token] of tokens.entries()) assert.ok(at === 0 || token > tokens[at - 1]!)
    assert.equal(await keysUnder('mutex/'), 0)
  })

  test('callers who hang up, run out of time or lose their connection leave no key behind', async () => {
    const held = await lock(clients[0]!, 'gone', await grant(clients[0]!))
    await assert.rejects(lock(clients[1]!, 'gone', await grant(clients[1]!), 500), { code: Code.DeadlineExceeded })
    const leases = await Promise.all(Array.from({ length: 50 }, () => grant(clients[2]!)))
    const { caFile, certFile, keyFile } = cluster.certificates.client
    const session = connectHttp2(cluster.members[2]!.clientUrl, {
      ca: readFileSync(caFile),
      cert: readFileSync(certFile),
      key: readFileSync(keyFile),
      servername: 'localhost',
    })
    for (const lease of leases) {
      const headers = { ':method': 'POST', ':path': lockPath, 'content-type': 'application/grpc', te: 'trailers' }
      const request = lockRequest('gone', lease)
      const stream = session.request(headers).on('error', () => {})
      stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, request.length]), request]))
    }
    await waitFor('all wait', async () => (await keysUnder('gone/')) === 51)
    session.destroy()
    const asItIs = (message: Buffer): Buffer => message
    for (let round = 0; round < 200; round++) {
      const request = Buffer.from(lockRequest('gone', leases[round % leases.length]!))
      const call = clients[1]!.client.makeUnaryRequest(lockPath, asItIs, asItIs, request, () => {})
      // Cancelled in the same turn, grpc-js sends the call and never says that it was cancelled.
      await new Promise((resolve) => setImmediate(resolve))
      call.cancel()
    }
    await waitFor('only the holder is left', async () => (await keysUnder('gone/')) === 1)
    await unlock(clients[0]!, held.key)
  })

  test('a holder whose lease ends is followed by the next, who waits on another member; a lost waiter is told', async () => {
    const lease = await grant(clients[0]!)
    await lock(clients[0]!, 'lost', lease)
    const [second, third] = [await grant(clients[1]!), await grant(clients[2]!)] as const
    const losing = lock(clients[1]!, 'lost', second).catch((error: ServiceError) => error)
    await waitFor('the second waits', async () => (await keysUnder('lost/')) === 2)
    const waiting = lock(clients[2]!, 'lost', third)
    await waitFor('the third waits', async () => (await keysUnder('lost/')) === 3)
    const revoke = (id: bigint): Promise<Buffer> =>
      clients[2]!.unary('/etcdserverpb.Lease/LeaseRevoke', LeaseRevokeRequest.encode({ ID: id }).finish())
    await revoke(second)
    const refusal = (await within('the second is told', losing)) as ServiceError
    assert.deepEqual([refusal.code, refusal.details], [Code.Unknown, 'mutex: session is expired'])
    await revoke(lease)
    await within('the third has it', waiting)
  })

  test('an election and its observers go on when the leader of the cluster is killed', async () => {
    const leader = await cluster.leader()
    const [here, there] = clients.filter((_, at) => cluster.members[at] !== leader) as [RawClient, RawClient]
    const campaign = async (client: RawClient, value: string): Promise<CampaignResponse> => {
      const lease = await grant(client)
      const request = CampaignRequest.encode({ name: bytes('e'), lease, value: bytes(value) }).finish()
      return CampaignResponse.decode(await client.unary('/v3electionpb.Election/Campaign', request, {}, 60_000))
    }
    const said: string[] = []
    const observed = there.serverStream(
      '/v3electionpb.Election/Observe',
      LeaderRequest.encode({ name: bytes('e') }).finish(),
    )
    observed.on('data', (message: Buffer) =>
      said.push(Buffer.from(LeaderResponse.decode(message).kv!.value).toString()),
    )
    observed.on('error', () => {})
    const first = await campaign(here, 'one')
    const waiting = campaign(there, 'two')
    await waitFor('the second waits', async () => (await keysUnder('e/')) === 2)
    await leader.kill()
    const resign = ResignRequest.encode({ leader: first.leader }).finish()
    await waitFor('the first resigns', () => here.unary('/v3electionpb.Election/Resign', resign, {}, 5000))
    const second = await within('the second is elected', waiting, 30_000)
    assert.ok(second.leader!.rev > first.leader!.rev)
    await waitFor('the observer has heard of both', () => said.join() === 'one,two')
    observed.cancel()
    leader.start()
    await cluster.waitUntilServing()
  })
})
