import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { TestCluster } from '../support/cluster.ts'
import type { Etcdctl } from '../support/etcdctl.ts'
import { waitFor } from '../support/wait-for.ts'

interface Kv {
  readonly key: string
  readonly value?: string
  readonly mod_revision: number
}

describe('watches and leases in a cluster of three', () => {
  let cluster: TestCluster
  let etcdctl: Etcdctl

  before(async () => {
    cluster = await TestCluster.start({ size: 3 })
    etcdctl = cluster.etcdctl
  })
  after(() => cluster?.[Symbol.asyncDispose]())

  const revision = async (): Promise<number> => {
    const { header } = await etcdctl.json<{ header: { revision: number } }>('get', 'nosuch')
    return header.revision
  }

  const grant = async (seconds: number): Promise<string> => {
    const [, id] = /^lease ([0-9a-f]+) granted with TTL\(\d+s\)$/m.exec(
      await etcdctl.ok('lease', 'grant', String(seconds)),
    )!
    return id!
  }

  const exists = async (key: string): Promise<boolean> => (await etcdctl.ok('get', key)) !== ''

  test('a watch on any member sees a write through any other', async () => {
    const watches = cluster.members.map((member) => cluster.at(member).start('watch', 'w1/', '--prefix', '--prev-kv'))
    try {
      // Registered once it reports what is written after it.
      for (const [index, watch] of watches.entries())
        await waitFor('the watch is registered', async () => {
          await etcdctl.ok('put', `w1/ready${index}`, 'x')
          return watch.output.includes(`w1/ready${index}`)
        })
      await cluster.at(cluster.members[0]!).ok('put', 'w1/a', 'one')
      await cluster.at(cluster.members[1]!).ok('put', 'w1/a', 'two')
      await cluster.at(cluster.members[2]!).ok('del', 'w1/a')
      for (const watch of watches) {
        await watch.waitForOutput(/DELETE\nw1\/a\ntwo\nw1\/a\n/)
        assert.match(watch.output, /PUT\n+w1\/a\none\nPUT\nw1\/a\none\nw1\/a\ntwo\nDELETE\nw1\/a\ntwo\nw1\/a\n/)
      }
    } finally {
      await Promise.all(watches.map((watch) => watch.stop()))
    }
  })

  test('a watch from a past revision replays the history and goes on live', async () => {
    const start = (await revision()) + 1
    for (const value of ['1', '2', '3']) await etcdctl.ok('put', 'w2', value)
    const watch = etcdctl.start('watch', 'w2', `--rev=${start + 1}`)
    try {
      await watch.waitForOutput('PUT\nw2\n2\nPUT\nw2\n3\n')
      await etcdctl.ok('put', 'w2', '4')
      await watch.waitForOutput('PUT\nw2\n2\nPUT\nw2\n3\nPUT\nw2\n4\n')
      assert.equal(watch.output.trimStart(), 'PUT\nw2\n2\nPUT\nw2\n3\nPUT\nw2\n4\n')
    } finally {
      await watch.stop()
    }
  })

  test('a watch on a range sees the range and nothing else', async () => {
    const start = (await revision()) + 1
    for (const key of ['w3/a', 'w3/b', 'w3/c', 'w3/d']) await etcdctl.ok('put', key, 'x')
    const watch = etcdctl.start('watch', 'w3/b', 'w3/d', `--rev=${start}`)
    try {
      await watch.waitForOutput('PUT\nw3/b\nx\nPUT\nw3/c\nx\n')
      await etcdctl.ok('put', 'w3/a', 'y')
      await etcdctl.ok('put', 'w3/c', 'y')
      await watch.waitForOutput('w3/c\ny\n')
      assert.ok(!/w3\/[ad]/.test(watch.output), watch.output)
    } finally {
      await watch.stop()
    }
  })

  test('a watch that asks for compacted history is told so', async () => {
    await etcdctl.ok('put', 'w4', '1')
    await etcdctl.ok('put', 'w4', '2')
    const now = await revision()
    await etcdctl.ok('compaction', String(now))
    const watch = etcdctl.start('watch', 'w4', `--rev=${now - 1}`)
    assert.notEqual(await watch.waitForExit(), 0)
    assert.match(watch.output, /required revision has been compacted/)
  })

  test('a lease that is not kept alive takes its keys with it, on every member', async () => {
    const lease = await grant(2)
    await etcdctl.ok('put', 'l1/a', 'x', `--lease=${lease}`)
    await etcdctl.ok('put', 'l1/b', 'x', `--lease=${lease}`)
    const watch = etcdctl.start('watch', 'l1/', '--prefix', `--rev=${await revision()}`)
    try {
      await watch.waitForOutput(/DELETE\nl1\/a\n\nDELETE\nl1\/b\n/)
      for (const member of cluster.members)
        assert.equal(await cluster.at(member).ok('get', 'l1/', '--prefix', '--keys-only'), '')
      assert.match(await etcdctl.ok('lease', 'timetolive', lease), /already expired/)
    } finally {
      await watch.stop()
    }
  })

  test('a lease that is kept alive through a follower lives longer than its TTL', async () => {
    const lease = await grant(3)
    await etcdctl.ok('put', 'l2', 'x', `--lease=${lease}`)
    const keepAlive = cluster.at(await cluster.follower()).start('lease', 'keep-alive', lease)
    try {
      // Renewed once a second: after five renewals the first TTL is long over.
      await keepAlive.waitForOutput(/(keepalived with TTL\(3\)[\s\S]*){5}/)
      assert.equal(await exists('l2'), true)
    } finally {
      await keepAlive.stop()
    }
    await waitFor('the lease expires when nobody renews it', async () => !(await exists('l2')))
  })

  test('revoking a lease deletes its keys in one revision', async () => {
    const lease = await grant(600)
    for (const key of ['l3/b', 'l3/a']) await etcdctl.ok('put', key, 'x', `--lease=${lease}`)
    const ttl = await etcdctl.ok('lease', 'timetolive', lease, '--keys')
    assert.match(ttl, /granted with TTL\(600s\), remaining\((59\d|600)s\), attached keys\(\[l3\/a l3\/b\]\)/)
    assert.match(await etcdctl.ok('lease', 'list'), new RegExp(lease))
    const before = await revision()
    assert.equal(await etcdctl.ok('lease', 'revoke', lease), `lease ${lease} revoked\n`)
    assert.equal(await revision(), before + 1)
    assert.equal(await exists('l3/a'), false)
    assert.doesNotMatch(await etcdctl.ok('lease', 'list'), new RegExp(lease))
  })

  test('overwriting a key without its lease frees it', async () => {
    const lease = await grant(600)
    await etcdctl.ok('put', 'l4', 'x', `--lease=${lease}`)
    await etcdctl.ok('put', 'l4', 'y')
    await etcdctl.ok('lease', 'revoke', lease)
    assert.equal(await etcdctl.ok('get', 'l4', '--print-value-only'), 'y\n')
  })

  test('leases survive a change of leader', async () => {
    const lease = await grant(600)
    await etcdctl.ok('put', 'l5', 'x', `--lease=${lease}`)
    const leader = await cluster.leader()
    await leader.kill()
    const others = cluster.members.filter((member) => member !== leader)
    await cluster.waitUntilServing(others)
    const ttl = await cluster.at(others[0]!).ok('lease', 'timetolive', lease, '--keys')
    assert.match(ttl, /attached keys\(\[l5\]\)/)
    leader.start()
    await cluster.waitUntilServing()
    await etcdctl.ok('lease', 'revoke', lease)
    assert.equal(await exists('l5'), false)
  })

  test('the members describe themselves and each other alike', async () => {
    const lists = await Promise.all(cluster.members.map((member) => cluster.at(member).ok('member', 'list')))
    assert.deepEqual(lists, [lists[0], lists[0], lists[0]])
    for (const member of cluster.members)
      assert.match(
        lists[0]!,
        new RegExp(`^[0-9a-f]{14,16}, started, ${member.name}, ${member.peerUrl}, ${member.clientUrl}, false$`, 'm'),
      )
    const statuses = await etcdctl.json<{ Status: { version: string; leader: number; dbSize: number } }[]>(
      'endpoint',
      'status',
    )
    assert.equal(statuses.length, 3)
    assert.equal(new Set(statuses.map(({ Status }) => Status.leader)).size, 1)
    for (const { Status } of statuses) {
      assert.equal(Status.version, '3.5.30')
      assert.ok(Status.dbSize > 0)
    }
    const health = await etcdctl.run(['endpoint', 'health', '--cluster'])
    assert.equal(health.code, 0)
    assert.equal((health.stdout + health.stderr).match(/is healthy/g)?.length, 3)
  })

  test('a history of writes through all members is the same on each', async () => {
    const keys = Array.from({ length: 30 }, (_, n) => `h/${n}`)
    await Promise.all(keys.map((key, n) => cluster.at(cluster.members[n % 3]!).ok('put', key, String(n))))
    const read = (index: number) => cluster.at(cluster.members[index]!).json<{ kvs: Kv[] }>('get', 'h/', '--prefix')
    const [first, second, third] = await Promise.all([read(0), read(1), read(2)])
    assert.equal(first.kvs.length, 30)
    assert.equal(new Set(first.kvs.map((kv) => kv.mod_revision)).size, 30)
    assert.deepEqual(second.kvs, first.kvs)
    assert.deepEqual(third.kvs, first.kvs)
  })
})
