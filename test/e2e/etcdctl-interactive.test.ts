/** What etcdctl does while somebody types, or goes on doing until it is stopped. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Both } from '../support/both.ts'
import type { TestCluster } from '../support/cluster.ts'
import { waitFor } from '../support/wait-for.ts'

async function grant({ etcdctl }: TestCluster, seconds: number): Promise<string> {
  const granted = await etcdctl.ok('lease', 'grant', String(seconds))
  return /^lease ([0-9a-f]+) granted/.exec(granted)![1]!
}

/** The revision of the last write. */
async function revision({ etcdctl }: TestCluster): Promise<number> {
  return (await etcdctl.json<{ header: { revision: number } }>('get', 'nosuch')).header.revision
}

describe('etcdctl, interactively', () => {
  const both = Both.forThisSuite(3)

  test('watch -i: several watches, their options, a progress request, nonsense', async () => {
    const { ours, etcd } = await both.run(async (cluster) => {
      const start = (await revision(cluster)) + 1
      await cluster.etcdctl.ok('put', 'wi/a', '1')
      await cluster.etcdctl.ok('put', 'wi/b', '2')
      await cluster.etcdctl.ok('del', 'wi/a')
      const watch = cluster.etcdctl.start('watch', '-i')
      try {
        // From the past, so that nothing depends on when a watch is registered.
        watch.type(`watch wi/ --prefix --rev=${start}`)
        await watch.waitForOutput('DELETE\nwi/a\n')
        watch.type(`watch wi/b --prev-kv --rev=${start}`)
        await watch.waitForOutput(/(wi\/b\n2\n[\s\S]*){2}/)
        await cluster.etcdctl.ok('put', 'wi/b', '3')
        await watch.waitForOutput(/(wi\/b\n3\n[\s\S]*){2}/)
        watch.type('progress')
        await watch.waitForOutput(/progress notify: \d+\n/)
        const notified = Number(/progress notify: (\d+)/.exec(watch.output)![1])
        assert.ok(notified >= start + 3, `told of revision ${notified}`)
        watch.type('abolish')
        await watch.waitForOutput('Invalid command')
        watch.endInput()
        const code = await watch.waitForExit()
        // Which of two watches prints first is not said.
        const lines = watch.output
          .replace(/progress notify: \d+/, 'progress notify')
          .split('\n')
          .sort()
        return { code, lines }
      } finally {
        await watch.stop()
      }
    })
    assert.deepEqual(ours, etcd)
  })

  test('watch with a command, which finds the event in its environment', async () => {
    const { ours, etcd } = await both.run(async (cluster) => {
      const start = (await revision(cluster)) + 1
      await cluster.etcdctl.ok('put', 'exec', 'value')
      const show = 'echo "$ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY $ETCD_WATCH_VALUE"'
      const watch = cluster.etcdctl.start('watch', 'exec', `--rev=${start}`, '--', 'sh', '-c', show)
      try {
        await watch.waitForOutput('"exec" "value"\n')
        return watch.output
      } finally {
        await watch.stop()
      }
    })
    assert.equal(ours, etcd)
  })

  test('txn -i asks for its three parts', async () => {
    const { ours, etcd } = await both.run(async ({ etcdctl }) => {
      const input = 'mod("ti") = "0"\n\nput ti 1\nget ti\n\nget ti\ndel ti\n\n'
      const first = await etcdctl.run(['txn', '-i'], { input })
      const second = await etcdctl.run(['txn', '-i'], { input })
      const wrong = await etcdctl.run(['txn', '-i'], { input: 'mood("ti") = "0"\n\n' })
      return { first, second, wrong }
    })
    assert.deepEqual(ours, etcd)
    assert.match(ours.first.stdout, /SUCCESS\n\nOK\n\nti\n1\n/)
    assert.match(ours.second.stdout, /FAILURE\n\nti\n1\n\n1\n/)
  })

  test('lease keep-alive goes on until it is interrupted or the lease is gone', async () => {
    const { ours, etcd } = await both.run(async (cluster) => {
      const lease = await grant(cluster, 3)
      const renewed = new RegExp(`(lease ${lease} keepalived with TTL\\(3\\)\\n){3}`)
      const hide = (text: string): string => text.replaceAll(lease, 'LEASE')
      const first = cluster.etcdctl.start('lease', 'keep-alive', lease)
      const second = cluster.etcdctl.start('lease', 'keep-alive', lease)
      try {
        await first.waitForOutput(renewed)
        const firstCode = await first.interrupt()
        await second.waitForOutput(renewed)
        const once = await cluster.etcdctl.run(['lease', 'keep-alive', '--once', lease])
        await cluster.etcdctl.ok('lease', 'revoke', lease)
        const secondCode = await second.waitForExit()
        const gone = await cluster.etcdctl.run(['lease', 'keep-alive', '--once', lease])
        return {
          firstCode,
          secondCode,
          ended: hide(second.output).replace(/^(lease LEASE keepalived with TTL\(3\)\n)+/, ''),
          once: { ...once, stdout: hide(once.stdout) },
          gone: { code: gone.code, output: hide(gone.stdout + gone.stderr) },
        }
      } finally {
        await first.stop()
        await second.stop()
      }
    })
    assert.deepEqual(ours, etcd)
  })

  test('lease timetolive --keys, list and a grant of a given TTL', async () => {
    const { ours, etcd } = await both.run(async (cluster) => {
      const lease = await grant(cluster, 600)
      for (const key of ['ttl/c', 'ttl/a', 'ttl/b']) await cluster.etcdctl.ok('put', key, 'x', `--lease=${lease}`)
      const shown: string[] = []
      for (const args of [
        ['lease', 'timetolive', lease, '--keys'],
        ['lease', 'timetolive', lease],
        ['lease', 'timetolive', lease, '--keys', '-w', 'json'],
        ['lease', 'timetolive', lease, '--keys', '-w', 'fields'],
        ['lease', 'list'],
        ['lease', 'revoke', lease],
        ['lease', 'timetolive', lease, '--keys', '-w', 'json'],
      ])
        shown.push(await cluster.etcdctl.ok(...args))
      return shown.map((text) =>
        text
          .replaceAll(lease, 'LEASE')
          .replaceAll(/"?(id|ID)"? ?: ?\d+/g, 'ID')
          .replaceAll(/(remaining\(|"ttl":|"TTL" : )(59\d|600)/g, '$1600')
          .replaceAll(
            /"?(cluster_id|member_id|raft_term|revision|ClusterID|MemberID|RaftTerm|Revision)"? ?: ?\d+/g,
            '$1',
          )
          // etcd answers with the keys in any order.
          .split(/[[\] ,\n]+/)
          .sort(),
      )
    })
    await waitFor(
      'the key of the revoked lease is gone',
      async () => (await both.ours.etcdctl.ok('get', 'ttl/a')) === '',
    )
    assert.deepEqual(ours, etcd)
  })
})
