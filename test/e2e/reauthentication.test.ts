/** Clients that log in with a password, when their token ends before they do. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { TestCluster } from '../support/cluster.ts'
import { etcd3Client } from '../support/etcd3-client.ts'
import { run } from '../support/run.ts'
import { waitFor } from '../support/wait-for.ts'
import { within } from '../support/within.ts'

const tokenTtlSeconds = 2
/** Whoever looked whether a token has ended would make it live on. */
const untilTokensEnd = (): Promise<void> => sleep(tokenTtlSeconds * 1000 + 1500)
const flags = [`--auth-token-ttl=${tokenTtlSeconds}`, '--bcrypt-cost=4']
const auth = { username: 'ann', password: 'ann-secret-22' }
const asAnn = `--user=${auth.username}:${auth.password}`
const asRoot = '--user=root:root-secret-1'

async function withUsers(options: Parameters<typeof TestCluster.start>[0]): Promise<TestCluster> {
  const cluster = await TestCluster.start(options)
  for (const args of [
    ['user', 'add', 'root:root-secret-1'],
    ['user', 'grant-role', 'root', 'root'],
    // For whoever asks with the cluster's certificate and no password.
    ['user', 'add', 'client', '--no-password'],
    ['user', 'grant-role', 'client', 'root'],
    ['user', 'add', `ann:${auth.password}`],
    ['role', 'add', 'ann'],
    ['role', 'grant-permission', 'ann', 'readwrite', 'a/', '--prefix'],
    ['user', 'grant-role', 'ann', 'ann'],
    ['auth', 'enable', asRoot],
  ])
    await cluster.etcdctl.ok(...args)
  return cluster
}

describe('clients with passwords', () => {
  let ours: TestCluster
  let etcd: TestCluster
  before(async () => {
    ours = await withUsers({ size: 3, flags })
    etcd = await withUsers({ size: 1, flags, program: 'etcd', certificates: ours.certificates })
  })
  after(async () => {
    await ours?.[Symbol.asyncDispose]()
    await etcd?.[Symbol.asyncDispose]()
  })

  for (const name of ['leasehold', 'etcd'] as const)
    test(`etcd3 logs in again when its token has ended, with ${name}`, async () => {
      const cluster = name === 'etcd' ? etcd : ours
      const client = etcd3Client(cluster, cluster.members, { auth })
      try {
        await client.put('a/1').value('x')
        await untilTokensEnd()
        assert.equal(await client.get('a/1').string(), 'x')
        await untilTokensEnd()
        await client.put('a/1').value('y')
        assert.equal(await client.get('a/1').string(), 'y')
      } finally {
        client.close()
      }
    })

  test('python-etcd3 is told what etcd tells it, and a new one gets on', async () => {
    const results = await Promise.all(
      [ours, etcd].map(async (cluster) => {
        const { caFile, certFile, keyFile } = cluster.certificates.client
        const { port } = new URL(cluster.members[0]!.clientUrl)
        const script = fileURLToPath(new URL('python-etcd3-login.py', import.meta.url))
        const args = [script, port, caFile, certFile, keyFile, auth.username, auth.password]
        const env = { PYTHONDONTWRITEBYTECODE: '1', GRPC_VERBOSITY: 'ERROR' }
        const { code, stdout, stderr } = await run('/usr/bin/python3', [...args, String(tokenTtlSeconds + 1.5)], {
          env,
        })
        assert.equal(code, 0, stderr)
        return stdout
      }),
    )
    assert.equal(results[0], results[1])
    assert.equal(results[0], 'before: x\nafter: UNAUTHENTICATED etcdserver: invalid auth token\nanew: x\n')
  })

  test('a lock of etcdctl’s outlives the token of whoever holds it', async () => {
    const held = ours.etcdctl.start('lock', 'a/lock', '--ttl=5', asAnn)
    try {
      await held.waitForOutput('a/lock/')
      for (let n = 0; n < 2; n++) await untilTokensEnd()
      const { stdout } = await ours.etcdctl.run(['get', 'a/lock/', '--prefix', '--keys-only', asAnn])
      assert.match(stdout, /^a\/lock\/[0-9a-f]+\n/)
      assert.equal(await held.interrupt(), 0, held.output)
    } finally {
      await held.stop()
    }
  })

  test('a change of another user, and another leader, disturb nobody', async () => {
    const client = etcd3Client(ours, ours.members, { auth })
    const refused: unknown[] = []
    let writes = 0
    let writing = true
    const watcher = await client.watch().prefix('a/').create()
    let seen = 0
    watcher.on('put', () => {
      seen++
    })
    const writer = (async () => {
      while (writing) {
        try {
          await client.put('a/2').value(String(writes))
          writes++
        } catch (error) {
          refused.push(error)
        }
      }
    })()
    try {
      const more = async (what: string): Promise<void> => {
        const goal = writes + 20
        await waitFor(what, () => writes >= goal)
      }
      await more('writes')
      for (const args of [
        ['user', 'add', 'bob:bob-secret-22'],
        ['role', 'add', 'bob'],
        ['role', 'grant-permission', 'bob', 'readwrite', 'b'],
        ['user', 'grant-role', 'bob', 'bob'],
        ['user', 'delete', 'bob'],
        ['role', 'delete', 'bob'],
      ])
        await ours.etcdctl.ok(...args, asRoot)
      await more('writes after the changes')
      assert.deepEqual(refused, [])
      const leader = await ours.leader()
      const { stdout } = await ours.at(leader).run(['user', 'list', asRoot])
      assert.equal(stdout, 'ann\nclient\nroot\n')
      await leader.terminate()
      await more('writes by another leader')
      for (const error of refused) assert.doesNotMatch(String(error), /auth|permission|user/i)
      const behind = writes
      await waitFor('the watch goes on', () => seen >= behind)
      leader.start()
    } finally {
      writing = false
      await within('the writer ends', writer)
      // It would look for a member for ever.
      await watcher.cancel()
      client.close()
    }
  })
})
