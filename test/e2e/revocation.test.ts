import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { WatchCreateRequest, WatchRequest } from '../../src/wire/gen/rpc.ts'
import type { Identity } from '../support/certificates.ts'
import { TestCluster } from '../support/cluster.ts'
import { GrpcConnection } from '../support/grpc-connection.ts'
import type { TestMember } from '../support/member.ts'
import { peerFlags, TestPki } from '../support/test-pki.ts'
import { waitFor } from '../support/wait-for.ts'
import { within } from '../support/within.ts'
import { WriteLoad } from '../support/write-load.ts'

/** Three members, each with a certificate of its own for its peers, and revocation lists on both ports. */
class World implements AsyncDisposable {
  readonly pki: TestPki
  readonly #dir: string
  #cluster: TestCluster | null = null
  readonly peers = new Map<string, Identity>()

  constructor() {
    this.#dir = mkdtempSync(join(tmpdir(), 'leasehold-revocation-'))
    this.pki = new TestPki(this.#dir)
  }

  get cluster(): TestCluster {
    return this.#cluster!
  }

  async start(flags: readonly string[] = []): Promise<void> {
    this.#cluster = await TestCluster.create({
      size: 3,
      certificates: this.pki.certificates(),
      flags: [...this.pki.crlFlags(), ...flags],
    })
    for (const member of this.cluster.members) {
      const peer = this.pki.issue({ of: 'peers', name: `peer-${member.name}` })
      this.peers.set(member.name, peer)
      member.start(peerFlags(peer))
    }
    await this.cluster.waitUntilServing()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster?.[Symbol.asyncDispose]()
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

/** A watch that is open; `ended` resolves with why it no longer is. */
async function watch(
  member: TestMember,
  identity: Identity,
): Promise<{ ended: Promise<string>; connection: Disposable }> {
  const connection = new GrpcConnection(member.clientUrl, identity)
  const created = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<string>()
  const call = connection.open(
    '/etcdserverpb.Watch/Watch',
    () => created.resolve(),
    (problem) => {
      created.reject(new Error(problem ?? 'ended'))
      ended.resolve(problem ?? 'ended')
    },
  )
  const value = { ...WatchCreateRequest.decode(new Uint8Array(0)), key: Buffer.from('a') }
  call.send(WatchRequest.encode({ request_union: { $case: 'create_request', value } }).finish())
  await within('the watch is created', created.promise)
  return { ended: ended.promise, connection }
}

test('the live watches of a revoked client end within 2 seconds, on all members, and no other’s', async () => {
  await using world = new World()
  await world.start()
  const { cluster, pki } = world
  const thief = pki.issue({ of: 'clients', name: 'thief', profile: 'client' })
  const [stolen, honest] = await Promise.all([
    Promise.all(cluster.members.map((member) => watch(member, thief))),
    Promise.all(cluster.members.map((member) => watch(member, cluster.certificates.client))),
  ])
  const lost: string[] = []
  for (const { ended } of honest) void ended.then((reason) => lost.push(reason))
  pki.revoke('clients', thief)
  await within('all of its watches end', Promise.all(stolen.map(({ ended }) => ended)), 2000)
  assert.deepEqual(lost, [])
  for (const member of cluster.members) {
    // The log has a longer way than the end of the watch.
    const closed = /revoked \(keyCompromise\).*closed a connection whose certificate is no longer good/
    await waitFor('the log says why the connection was closed', () => closed.test(member.log))
    await assert.rejects(watch(member, thief))
    await waitFor('the log says why', () => /revoked \(keyCompromise\).*TLS handshake refused/.test(member.log))
  }
  for (const { connection } of [...stolen, ...honest]) connection[Symbol.dispose]()
})

test('a revoked member is out of the cluster within 5 seconds, and the cluster goes on', async () => {
  await using world = new World()
  await world.start()
  const { cluster, pki } = world
  const leader = await cluster.leader()
  const rest = cluster.members.filter((member) => member !== leader)
  await using load = new WriteLoad({
    endpoints: rest.map((member) => member.clientUrl),
    identity: cluster.certificates.client,
    writers: 4,
    keyPrefix: 'k/',
  })
  await load.more(50)
  const startMs = performance.now()
  pki.revoke('peers', world.peers.get(leader.name)!)
  await waitFor(
    'both others have closed their connections',
    () => rest.every((member) => /revoked \(keyCompromise\).*closed a connection/.test(member.log)),
    5000,
  )
  const next = await cluster.leader(rest)
  const tookMs = performance.now() - startMs
  assert.notEqual(next, leader)
  assert.ok(tookMs < 5000, `a new leader after ${tookMs.toFixed(0)} ms`)
  await load.more(50)
  // It is out: what it says is refused, and it is not dialed.
  const { code } = await cluster.at(leader).run(['put', 'x', 'y', '--command-timeout=2s'])
  assert.notEqual(code, 0)
  await load.stop()
})
