/** Users, roles and permissions on real processes: the same as etcd where etcd is right, and what etcd does not do. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { credentials } from '@grpc/grpc-js'
import {
  AuthenticateRequest,
  AuthenticateResponse,
  PutRequest,
  RangeRequest,
  WatchRequest,
  WatchResponse,
} from '../../src/wire/gen/rpc.ts'
import { Both } from '../support/both.ts'
import type { Identity } from '../support/certificates.ts'
import { TestCluster } from '../support/cluster.ts'
import { bytes, putRequest, rangeRequest } from '../support/commands.ts'
import { Etcdctl } from '../support/etcdctl.ts'
import { RawClient } from '../support/grpc-harness.ts'
import type { TestMember } from '../support/member.ts'
import { TestPki } from '../support/test-pki.ts'
import { waitFor } from '../support/wait-for.ts'
import { WriteLoad } from '../support/write-load.ts'

const asRoot = '--user=root:rootpassword'
const asAnn = '--user=ann:annpassword'

const setUp: readonly (readonly string[])[] = [
  ['user', 'add', 'root:rootpassword'],
  ['user', 'grant-role', 'root', 'root'],
  ['user', 'add', 'ann:annpassword'],
  ['role', 'add', 'ann'],
  ['role', 'grant-permission', 'ann', 'readwrite', 'a', 'c'],
  ['role', 'grant-permission', 'ann', 'read', 'c', 'e'],
  ['role', 'grant-permission', 'ann', 'write', 'w'],
  ['user', 'grant-role', 'ann', 'ann'],
]

const script: readonly (readonly string[])[] = [
  ['auth', 'enable', '--user=nobody:x'],
  ...setUp,
  ['user', 'add', 'ann:again'],
  ['user', 'add', 'cn', '--no-password'],
  ['role', 'add', 'ann'],
  ['role', 'get', 'ann'],
  ['role', 'get', 'nosuch'],
  ['role', 'grant-permission', 'nosuch', 'read', 'k'],
  ['role', 'grant-permission', 'ann', 'readwrite', 'w'],
  ['role', 'grant-permission', 'ann', 'write', 'w'],
  ['role', 'get', 'ann', '-w', 'json'],
  ['user', 'get', 'ann'],
  ['user', 'get', 'nosuch'],
  ['user', 'grant-role', 'ann', 'nosuch'],
  ['user', 'grant-role', 'nosuch', 'ann'],
  ['user', 'grant-role', 'ann', 'ann'],
  ['user', 'revoke-role', 'ann', 'root'],
  ['put', 'a', '1'],
  ['put', 'z', '1'],
  ['auth', 'enable'],
  ['auth', 'enable', asRoot],
  // The certificate of this client names nobody.
  ['get', 'a'],
  ['get', 'a', asAnn],
  ['put', 'a', '2', asAnn],
  ['put', 'a', '2', '--prev-kv', asAnn],
  ['put', 'w', '2', asAnn],
  ['put', 'w', '2', '--prev-kv', asAnn],
  ['get', 'w', asAnn],
  ['get', 'a', 'e', asAnn],
  ['get', 'a', 'f', asAnn],
  ['get', 'a', '--from-key', asAnn],
  ['get', '', '--prefix', asAnn],
  ['put', 'd', '1', asAnn],
  ['del', 'a', 'c', asAnn],
  ['del', 'a', 'd', asAnn],
  ['del', 'w', '--prev-kv', asAnn],
  ['get', 'z', asAnn],
  ['user', 'list', asAnn],
  ['user', 'get', 'ann', asAnn],
  ['user', 'get', 'root', asAnn],
  ['role', 'list', asAnn],
  ['role', 'get', 'ann', asAnn],
  ['role', 'get', 'other', asAnn],
  ['user', 'add', 'eve:eve', asAnn],
  ['auth', 'disable', asAnn],
  ['get', 'a', '--user=ann:wrong'],
  ['get', 'a', '--user=nosuch:wrong'],
  ['user', 'list', asRoot],
  ['role', 'list', asRoot],
  ['get', '', '--prefix', asRoot],
  ['user', 'delete', 'root', asRoot],
  ['user', 'revoke-role', 'root', 'root', asRoot],
  ['role', 'delete', 'root', asRoot],
  ['role', 'revoke-permission', 'ann', 'a', asRoot],
  ['role', 'revoke-permission', 'ann', 'a', 'c', asRoot],
  ['get', 'a', asAnn],
  ['get', 'c', 'd', asAnn],
  ['user', 'delete', 'cn', asRoot],
  ['user', 'delete', 'cn', asRoot],
  ['role', 'delete', 'ann', asRoot],
  ['role', 'delete', 'ann', asRoot],
  ['user', 'get', 'ann', asRoot],
  ['get', 'c', asAnn],
  ['user', 'delete', 'ann', asRoot],
  ['get', 'c', asAnn],
  ['auth', 'disable', asRoot],
  ['get', 'a'],
]

const normalized = (text: string): string =>
  text
    .replaceAll(/"(cluster_id|member_id|raft_term)":\d+/g, '"$1":0')
    .replaceAll(/\{"level":"warn","ts":"[^"]*"(.*)"target":"[^"]*"/g, '{"level":"warn"$1"target":""')
    .replaceAll(/endpoint:\/\/client-[^/]*\/[0-9.:]+/g, '')

describe('etcdctl and auth', () => {
  const both = Both.forThisSuite(1)
  test('users, roles and what they may: the same as etcd', { timeout: 100_000 }, async () => {
    const { ours, etcd } = await both.run(async ({ etcdctl }) => {
      const results: string[] = []
      for (const args of script) {
        const { code, stdout, stderr } = await etcdctl.run(args)
        results.push(normalized(`etcdctl ${args.join(' ')}\nexit ${code}\n${stdout}${stderr}`))
      }
      return results
    })
    assert.deepEqual(ours, etcd)
  })
})

/** A client with the cluster's client certificate, of one member. */
function clientOf(cluster: TestCluster, member: TestMember): RawClient {
  const { caFile, certFile, keyFile } = cluster.certificates.client
  const tls = credentials.createSsl(readFileSync(caFile), readFileSync(keyFile), readFileSync(certFile))
  return new RawClient(Number(new URL(member.clientUrl).port), tls, { 'grpc.ssl_target_name_override': 'localhost' })
}

async function logIn(client: RawClient, name: string, password: string): Promise<string> {
  const request = AuthenticateRequest.encode({ name, password }).finish()
  return AuthenticateResponse.decode(await client.unary('/etcdserverpb.Auth/Authenticate', request)).token
}

class Watching {
  readonly revisions: number[] = []
  canceled: string | null = null
  created = false
  readonly #stream: ReturnType<RawClient['bidi']>

  constructor(client: RawClient, token: string) {
    this.#stream = client.bidi('/etcdserverpb.Watch/Watch', { token })
    this.#stream.on('error', () => {})
    this.#stream.on('data', (message: Buffer) => {
      const response = WatchResponse.decode(message)
      this.created ||= response.created
      if (response.canceled) this.canceled = response.cancel_reason
      for (const { kv } of response.events) this.revisions.push(Number(kv!.mod_revision))
    })
    const value = {
      ...{ key: bytes('w/'), range_end: bytes('w0'), start_revision: 1n, progress_notify: false },
      ...{ filters: [], prev_kv: false, watch_id: 0n, fragment: false },
    }
    this.#stream.write(Buffer.from(WatchRequest.encode({ request_union: { $case: 'create_request', value } }).finish()))
  }

  get last(): number {
    return this.revisions.at(-1) ?? 0
  }

  close(): void {
    this.#stream.cancel()
  }
}

/** A cluster in which the test's certificate is the user `client`, who may everything. */
async function clusterWithUsers(size: number, flags: readonly string[] = []): Promise<TestCluster> {
  const cluster = await TestCluster.start({ size, flags })
  const { etcdctl } = cluster
  for (const args of [
    ['user', 'add', 'root:rootpassword'],
    ['user', 'grant-role', 'root', 'root'],
    ['user', 'add', 'client', '--no-password'],
    ['user', 'grant-role', 'client', 'root'],
    ['role', 'add', 'w1'],
    ['role', 'grant-permission', 'w1', 'read', 'w/', 'w0'],
    ['role', 'add', 'w2'],
    ['role', 'grant-permission', 'w2', 'read', 'w/', 'w5'],
    ['role', 'grant-permission', 'w2', 'read', 'w/5', 'w0'],
    ['user', 'add', 'ann:annpassword'],
    ['user', 'grant-role', 'ann', 'w1'],
    ['user', 'add', 'bob:bobpassword'],
    ['user', 'grant-role', 'bob', 'w2'],
    ['auth', 'enable', asRoot],
  ])
    await etcdctl.ok(...args)
  return cluster
}

const revisionOf = (json: string): number => Number(/"revision":(\d+)/.exec(json)?.[1])

describe('what etcd does not do', () => {
  test('a revocation ends live watches on every member before anything later gets out', {
    timeout: 110_000,
  }, async () => {
    await using cluster = await clusterWithUsers(3)
    const { etcdctl, members } = cluster
    const clients = members.map((member) => clientOf(cluster, member))
    await using load = new WriteLoad({
      endpoints: members.map((member) => member.clientUrl),
      identity: cluster.certificates.client,
      writers: 8,
      keyPrefix: 'w/',
    })
    try {
      const watchesOf = async (user: string): Promise<Watching[]> => {
        // One token is good on all members.
        const token = await logIn(clients[0]!, user, `${user}password`)
        return clients.map((client) => new Watching(client, token))
      }
      const ann = await watchesOf('ann')
      const bob = await watchesOf('bob')
      const all = [...ann, ...bob]
      await waitFor('all watch', () => all.every(({ created, last }) => created && last > 0))
      // A change that concerns nobody here.
      await etcdctl.ok('user', 'add', 'eve:evepassword')
      await etcdctl.ok('role', 'grant-permission', 'w2', 'write', 'x')
      const before = revisionOf(await etcdctl.ok('get', 'nosuch', '-w', 'json'))
      await waitFor('all go on', () => all.every(({ last }) => last > before))
      assert.deepEqual(
        all.map(({ canceled }) => canceled),
        all.map(() => null),
      )

      const revoked = revisionOf(await etcdctl.ok('role', 'revoke-permission', 'w1', 'w/', 'w0', '-w', 'json'))
      await waitFor("ann's watches end", () => ann.every(({ canceled }) => canceled !== null))
      await waitFor("bob's go on", () => bob.every(({ last }) => last > revoked + 50))
      for (const { canceled, last } of ann) {
        assert.equal(canceled, 'rpc error: code = PermissionDenied desc = etcdserver: permission denied')
        assert.ok(last <= revoked, `an event of revision ${last}, and the right ended at ${revoked}`)
      }
      assert.deepEqual(
        bob.map(({ canceled }) => canceled),
        bob.map(() => null),
      )

      // A changed password voids the token, and what was begun with it.
      const changed = revisionOf(await changePassword(cluster, 'bob'))
      await waitFor("bob's watches end", () => bob.every(({ canceled }) => canceled !== null))
      for (const { canceled, last } of bob) {
        assert.equal(canceled, 'rpc error: code = Unauthenticated desc = etcdserver: invalid auth token')
        assert.ok(last <= changed)
      }
      assert.ok(load.acknowledged.size > 0)
      for (const watching of all) watching.close()
    } finally {
      for (const client of clients) client[Symbol.dispose]()
    }
  })

  async function changePassword(cluster: TestCluster, user: string): Promise<string> {
    const args = ['user', 'passwd', user, '--interactive=false', '-w', 'json']
    const { code, stdout, stderr } = await cluster.etcdctl.run(args, { input: 'another password\n' })
    assert.equal(code, 0, stderr)
    return stdout
  }

  test('race 4: users survive restarts and reach members that come late; no password and no token is on disk or in a log', {
    timeout: 110_000,
  }, async () => {
    await using cluster = await clusterWithUsers(3)
    const { etcdctl, members } = cluster
    const late = await cluster.follower()
    const others = members.filter((member) => member !== late)
    await late.kill()
    late.wipe()
    {
      await using load = new WriteLoad({
        endpoints: others.map((member) => member.clientUrl),
        identity: cluster.certificates.client,
        writers: 8,
        keyPrefix: 'w/',
      })
      await load.more(1000)
    }
    const tokens: string[] = []
    const first = clientOf(cluster, others[0]!)
    for (const user of ['ann', 'bob']) tokens.push(await logIn(first, user, `${user}password`))
    await changePassword(cluster, 'bob')
    const wrong = await etcdctl.run(['get', 'w/1', '--user=ann:wrongpassword'])
    assert.match(wrong.stderr, /authentication failed/)
    const putRow = PutRequest.encode(putRequest({ key: bytes('w/1') })).finish()
    const get = RangeRequest.encode(rangeRequest({ key: bytes('w/1') })).finish()
    await first.unary('/etcdserverpb.KV/Range', get, { token: tokens[0]! })
    assert.equal((await first.refusal('/etcdserverpb.KV/Range', get, { token: tokens[1]! })).code, 16)
    first[Symbol.dispose]()

    for (const member of others) {
      await member.terminate()
      member.start()
    }
    await cluster.waitUntilServing(others)
    const again = clientOf(cluster, others[1]!)
    await again.unary('/etcdserverpb.KV/Range', get, { token: tokens[0]! })
    assert.equal((await again.refusal('/etcdserverpb.KV/Range', get, { token: tokens[1]! })).code, 16)
    const anyone = await cluster.at(others[1]!).run(['get', 'w/1', '--user=bob:bobpassword'])
    assert.match(anyone.stderr, /authentication failed/)
    again[Symbol.dispose]()

    // It has everything from the others, also that leases expire.
    late.start()
    await cluster.waitUntilServing([late])
    const there = clientOf(cluster, late)
    await there.unary('/etcdserverpb.KV/Range', get, { token: tokens[0]! })
    assert.equal((await there.refusal('/etcdserverpb.KV/Range', get, { token: tokens[1]! })).code, 16)
    assert.equal((await there.refusal('/etcdserverpb.KV/Put', putRow, { token: tokens[0]! })).code, 7)
    const lease = /lease ([0-9a-f]+) granted/.exec(await etcdctl.ok('lease', 'grant', '2'))![1]!
    await etcdctl.ok('put', 'leased', 'x', `--lease=${lease}`)
    await waitFor('the lease expires', async () => (await cluster.at(late).ok('get', 'leased')) === '')
    there[Symbol.dispose]()

    const secrets = ['rootpassword', 'annpassword', 'bobpassword', 'another password', 'wrongpassword']
    secrets.push(...tokens.map((token) => token.slice(0, 16)))
    const files = readdirSync(cluster.dir, { recursive: true, encoding: 'utf8' })
      .map((name) => join(cluster.dir, name))
      .filter((path) => statSync(path).isFile())
    assert.ok(files.some((path) => path.includes('wal')))
    const texts = [...files.map((path) => readFileSync(path)), ...members.map(({ log }) => Buffer.from(log))]
    for (const secret of secrets) for (const text of texts) assert.equal(text.includes(secret), false, secret)
  })

  test('a URI in its certificate says which user a client is, and its common name does not', {
    timeout: 60_000,
  }, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'leasehold-uri-'))
    try {
      const pki = new TestPki(dir)
      const orders = 'spiffe://example.org/ns/shop/sa/orders'
      const as = (name: string, ...uris: readonly string[]) => ({
        ...pki.issue({ of: 'clients', name, commonName: 'root', profile: 'client', uris }),
        caFile: pki.caFile('clients'),
      })
      await using cluster = await TestCluster.start({
        size: 1,
        certificates: pki.certificates(),
        flags: ['--client-cert-identity=uri', '--bcrypt-cost=4'],
      })
      const { etcdctl } = cluster
      for (const args of [
        ['user', 'add', 'root:rootpassword'],
        ['user', 'grant-role', 'root', 'root'],
        ['role', 'add', 'orders'],
        ['role', 'grant-permission', 'orders', 'readwrite', '--prefix=true', 'orders/'],
        ['user', 'add', orders, '--no-password'],
        ['user', 'grant-role', orders, 'orders'],
        ['auth', 'enable'],
      ])
        await etcdctl.ok(...args)
      const put = (identity: Identity, key: string) =>
        new Etcdctl([cluster.members[0]!.clientUrl], identity).run(['put', key, 'v', '--command-timeout=2s'])
      assert.equal((await put(as('one', orders), 'orders/1')).code, 0)
      assert.match((await put(as('other', `${orders}2`), 'orders/1')).stderr, /permission denied/)
      assert.match((await put(as('one-again', orders), 'other')).stderr, /permission denied/)
      assert.match((await put(as('two', orders, 'spiffe://example.org/x'), 'orders/1')).stderr, /user name is empty/)
      assert.match((await put(as('none'), 'orders/1')).stderr, /user name is empty/)
    } finally {
      rmSync(dir, { recursive: true })
    }
  })

  test('signed tokens: good on all members at once, and void with the password; race 9: not good for who has the name anew', {
    timeout: 100_000,
  }, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'leasehold-jwt-'))
    try {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const files = { pub: join(dir, 'jwt.pub'), priv: join(dir, 'jwt.key') }
      writeFileSync(files.pub, publicKey.export({ format: 'pem', type: 'spki' }))
      writeFileSync(files.priv, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 })
      const flag = `--auth-token=jwt,pub-key=${files.pub},priv-key=${files.priv},sign-method=ES256,ttl=10m`
      await using cluster = await clusterWithUsers(3, [flag])
      const clients = cluster.members.map((member) => clientOf(cluster, member))
      try {
        const token = await logIn(clients[0]!, 'ann', 'annpassword')
        assert.match(token, /^ey[^.]*\.[^.]*\.[^.]*$/)
        const get = RangeRequest.encode(rangeRequest({ key: bytes('w/1') })).finish()
        const ask = (client: RawClient) =>
          client.unary('/etcdserverpb.KV/Range', get, { authorization: `Bearer ${token}` })
        await cluster.etcdctl.ok('user', 'add', 'eve:evepassword')
        for (const client of clients) await ask(client)
        await changePassword(cluster, 'ann')
        for (const client of clients) await assert.rejects(ask(client), { code: 16 })
        assert.match(await cluster.etcdctl.ok('user', 'get', 'bob', '--user=bob:bobpassword'), /Roles: w2/)

        const bobs = await logIn(clients[0]!, 'bob', 'bobpassword')
        const asBob = (client: RawClient) => client.unary('/etcdserverpb.KV/Range', get, { token: bobs })
        for (const client of clients) await asBob(client)
        await cluster.etcdctl.ok('user', 'delete', 'bob')
        await cluster.etcdctl.ok('user', 'add', 'bob:bobpassword')
        await cluster.etcdctl.ok('user', 'grant-role', 'bob', 'w1')
        for (const client of clients) await assert.rejects(asBob(client), { code: 16 })
      } finally {
        for (const client of clients) client[Symbol.dispose]()
      }
    } finally {
      rmSync(dir, { recursive: true })
    }
  })
})
