/** Those who use a cluster most, as users with no more rights than they need. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Code } from '../../src/errors.ts'
import { TestCluster } from '../support/cluster.ts'
import { etcd3Client } from '../support/etcd3-client.ts'
import { isDelete, KubernetesStorage } from '../support/kubernetes-storage.ts'
import { TestPki } from '../support/test-pki.ts'
import { waitFor } from '../support/wait-for.ts'

const denied = { code: Code.PermissionDenied, details: 'etcdserver: permission denied' }

let dir: string
let cluster: TestCluster
let apiserver: KubernetesStorage

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'leasehold-least-'))
  const pki = new TestPki(dir)
  cluster = await TestCluster.start({ size: 1, certificates: pki.certificates(), flags: ['--bcrypt-cost=4'] })
  for (const args of [
    ['user', 'add', 'root:root-secret-1'],
    ['user', 'grant-role', 'root', 'root'],
    ['user', 'add', 'client', '--no-password'],
    ['user', 'grant-role', 'client', 'root'],
    ['role', 'add', 'kubernetes'],
    ['role', 'grant-permission', 'kubernetes', 'readwrite', '/registry/', '--prefix'],
    // By which several API servers agree on who compacts.
    ['role', 'grant-permission', 'kubernetes', 'readwrite', 'compact_rev_key'],
    ['user', 'add', 'apiserver', '--no-password'],
    ['user', 'grant-role', 'apiserver', 'kubernetes'],
    ['role', 'add', 'patroni'],
    ['role', 'grant-permission', 'patroni', 'readwrite', '/service/batman/', '--prefix'],
    ['user', 'add', 'patroni:patroni-secret-1'],
    ['user', 'grant-role', 'patroni', 'patroni'],
    ['put', '/service/batman/config', 'theirs'],
    ['auth', 'enable', '--user=root:root-secret-1'],
  ])
    await cluster.etcdctl.ok(...args)
  const { caFile } = cluster.certificates.client
  const identity = { ...pki.issue({ of: 'clients', name: 'apiserver', profile: 'client' }), caFile }
  apiserver = new KubernetesStorage(cluster.members[0]!.clientUrl, identity)
})
after(async () => {
  apiserver?.[Symbol.dispose]()
  await cluster?.[Symbol.asyncDispose]()
  rmSync(dir, { recursive: true, force: true })
})

describe('a Kubernetes API server that may use /registry/ and the key of its compactor', () => {
  test('asks for the status, and keeps its objects', async () => {
    assert.match((await apiserver.status()).version, /^3\./)
    const key = '/registry/pods/default/a'
    const created = await apiserver.create(key, '1')
    const updated = await apiserver.update(key, created.revision, '2')
    assert.ok(created.succeeded && updated.succeeded)
    const page = await apiserver.list('/registry/pods/', { limit: 500 })
    assert.deepEqual([page.kvs.length, page.more], [1, false])
    assert.equal((await apiserver.list('/registry/pods/', { countOnly: true })).count, 1n)
    assert.equal((await apiserver.get('/registry/health', 0)).count, 0n)
    assert.ok((await apiserver.delete(key, updated.revision)).succeeded)
  })

  test('watches, is told of progress, and has events expire', async () => {
    const start = (await apiserver.get('/registry/health')).header!.revision
    using watches = apiserver.watches(true)
    watches.watch('/registry/events/', start + 1n)
    watches.watch('compact_rev_key', start + 1n, { prevKv: false, single: true })
    const lease = await apiserver.grant(2)
    const other = await apiserver.grant(60)
    for (const name of ['a', 'b']) await apiserver.create(`/registry/events/default/${name}`, 'e', lease)
    await apiserver.update('/registry/masterleases/10.0.0.1', 0n, '1', other)
    watches.requestProgress()
    await waitFor('progress', () => watches.progress.length > 0)
    await waitFor('both are gone', () => watches.events.filter(isDelete).length === 2)
    assert.equal(watches.ended, null)
  })

  test('cannot read, watch or write what is not its own', async () => {
    await assert.rejects(apiserver.get('/service/batman/config'), denied)
    await assert.rejects(apiserver.list('/service/batman/'), denied)
    await assert.rejects(apiserver.create('/service/batman/new', 'x'), denied)
    await assert.rejects(apiserver.update('/service/batman/config', 0n, 'x'), denied)
    await assert.rejects(apiserver.create('/registry0', 'x'), denied)
    using watches = apiserver.watches()
    watches.watch('/service/batman/', 1n)
    const answer = await waitFor('an answer', () => watches.responses[0])
    assert.ok(answer.canceled && answer.cancel_reason.includes(denied.details))
  })

  test('takes its turn to compact, and may do it with the role for operators, without being root', async () => {
    const { header } = await apiserver.get('/registry/health')
    const { revision } = header!
    assert.ok((await apiserver.turnToCompact(0n, revision)).succeeded)
    await assert.rejects(apiserver.compact(revision), denied)
    await cluster.etcdctl.ok('user', 'grant-role', 'apiserver', 'leasehold:operator')
    await apiserver.compact(revision)
    await assert.rejects(apiserver.compact(revision), { code: Code.OutOfRange })
    // It has become nobody who sees what is others'.
    await assert.rejects(apiserver.get('/service/batman/config'), denied)
    await cluster.etcdctl.ok('user', 'revoke-role', 'apiserver', 'leasehold:operator')
    await assert.rejects(apiserver.compact(revision + 1n), denied)
    assert.ok((await apiserver.create('/registry/pods/default/b', '1')).succeeded)
  })
})

describe('Patroni with a password, and a right to its own prefix', () => {
  test('looks for members, races for the leader’s key, keeps it, watches, and gives it up', async () => {
    const auth = { username: 'patroni', password: 'patroni-secret-1' }
    const client = etcd3Client(cluster, cluster.members, { auth })
    try {
      assert.equal((await client.cluster.memberList({})).members.length, 1)
      const mine = client.namespace('/service/batman/')
      const lease = mine.lease(5)
      await lease.grant()
      const raced = (value: string) =>
        mine.if('leader', 'Create', '==', 0).then(mine.put('leader').value(value).lease(lease.grant())).commit()
      assert.equal((await raced('node1')).succeeded, true)
      assert.equal((await raced('node2')).succeeded, false)
      const watcher = await mine.watch().prefix('').create()
      const seen: string[] = []
      watcher.on('put', ({ key }) => seen.push(key.toString()))
      watcher.on('delete', ({ key }) => seen.push(`-${key.toString()}`))
      await lease.put('members/node1').value('{}')
      await lease.keepaliveOnce()
      await mine.put('history').value('[]')
      assert.deepEqual(Object.keys(await mine.getAll().strings()).sort(), [
        'config',
        'history',
        'leader',
        'members/node1',
      ])
      await lease.revoke()
      await waitFor('its keys go', () => seen.length === 4)
      assert.deepEqual(seen.slice(2).sort(), ['-leader', '-members/node1'])
      await watcher.cancel()
      for (const refused of [
        () => client.get('/registry/pods/default/b').exec(),
        () => client.getAll().prefix('/service/').exec(),
        () => client.put('/service/robin/leader').value('x').exec(),
        () => client.delete().all().exec(),
      ])
        await assert.rejects(refused(), /permission denied/)
    } finally {
      client.close()
    }
  })
})
