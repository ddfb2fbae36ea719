/** Locks and elections as etcdctl makes them: with leases, transactions and watches of the client's own. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Both } from '../support/both.ts'
import type { TestCluster } from '../support/cluster.ts'
import type { EtcdctlStream } from '../support/etcdctl.ts'
import { waitFor } from '../support/wait-for.ts'

/** Lease ids, as in the last part of a lock's key, are different each time. */
const normalized = (text: string): string => text.replaceAll(/\/[0-9a-f]{12,16}$/gm, '/LEASE')

async function waitForKeys(cluster: TestCluster, prefix: string, count: number): Promise<void> {
  await waitFor(`${count} keys below ${prefix}`, async () => {
    const keys = await cluster.etcdctl.ok('get', prefix, '--prefix', '--keys-only')
    return keys.split('\n').filter((line) => line !== '').length === count
  })
}

async function stopAll(streams: readonly EtcdctlStream[]): Promise<void> {
  await Promise.all(streams.map((stream) => stream.stop()))
}

describe('etcdctl lock and elect', () => {
  const both = Both.forThisSuite(3)

  test('a lock is held while its command runs, which learns key and revision', async () => {
    const { ours, etcd } = await both.run(async ({ etcdctl }) => {
      const script = 'echo "$ETCD_LOCK_KEY"; test "$ETCD_LOCK_REV" -gt 0 && echo has revision; exit 3'
      const { code, stdout, stderr } = await etcdctl.run(['lock', 'command', '--', 'sh', '-c', script])
      const left = await etcdctl.ok('get', 'command', '--prefix')
      return { code, stdout: normalized(stdout), stderr, left }
    })
    assert.deepEqual(ours, etcd)
    assert.equal(ours.stdout, 'command/LEASE\nhas revision\n')
    assert.equal(ours.left, '')
  })

  test('of two contenders the second waits until the first is interrupted', async () => {
    const { ours, etcd } = await both.run(async (cluster) => {
      const first = cluster.etcdctl.start('lock', 'queue')
      await first.waitForOutput(/^queue\/[0-9a-f]+\n/)
      const second = cluster.etcdctl.start('lock', 'queue')
      try {
        await waitForKeys(cluster, 'queue/', 2)
        const early = second.output
        const firstCode = await first.interrupt()
        await second.waitForOutput(/^queue\/[0-9a-f]+\n/)
        await waitForKeys(cluster, 'queue/', 1)
        const secondCode = await second.interrupt()
        await waitForKeys(cluster, 'queue/', 0)
        return { early, firstCode, secondCode, outputs: [first.output, second.output].map(normalized) }
      } finally {
        await stopAll([first, second])
      }
    })
    assert.deepEqual(ours, etcd)
    assert.equal(ours.early, '')
    assert.match(ours.outputs[1]!, /^queue\/LEASE\n/)
  })

  test('a waiter that is interrupted leaves the queue', async () => {
    const { ours, etcd } = await both.run(async (cluster) => {
      const holder = cluster.etcdctl.start('lock', 'leave')
      await holder.waitForOutput(/^leave\/[0-9a-f]+\n/)
      const waiter = cluster.etcdctl.start('lock', 'leave')
      try {
        await waitForKeys(cluster, 'leave/', 2)
        const code = await waiter.interrupt()
        await waitForKeys(cluster, 'leave/', 1)
        return { code, output: waiter.output }
      } finally {
        await stopAll([holder, waiter])
      }
    })
    assert.deepEqual(ours, etcd)
  })

  test('the lock of a holder that is killed passes on after its TTL', async () => {
    const { ours, etcd } = await both.run(async (cluster) => {
      const holder = cluster.etcdctl.start('lock', 'killed', '--ttl=2')
      await holder.waitForOutput(/^killed\/[0-9a-f]+\n/)
      const heir = cluster.etcdctl.start('lock', 'killed', '--ttl=2')
      try {
        await waitForKeys(cluster, 'killed/', 2)
        const killedAt = performance.now()
        await holder.stop()
        await heir.waitForOutput(/^killed\/[0-9a-f]+\n/)
        return { seconds: (performance.now() - killedAt) / 1000, output: normalized(heir.output) }
      } finally {
        await stopAll([holder, heir])
      }
    })
    assert.equal(ours.output, etcd.output)
    // Renewed up to a second before the kill, as etcdctl looks for what is due twice a second, or longer on a busy machine;
    // ticks and the revocation itself come on top.
    assert.ok(ours.seconds > 0.5 && ours.seconds < 8, `after ${ours.seconds} s`)
  })

  test('a lock outlives its TTL while its holder lives, and a leader that is killed', async () => {
    const cluster = both.ours
    // etcdctl gives up when it has not been answered for a whole TTL. The answer may be half of that old when the leader is
    // killed, and an election takes two seconds, or longer on a busy machine.
    const ttl = '--ttl=9'
    const holder = cluster.etcdctl.start('lock', 'long', ttl)
    try {
      await holder.waitForOutput(/^long\/[0-9a-f]+\n/)
      const leader = await cluster.leader()
      await leader.kill()
      const others = cluster.members.filter((member) => member !== leader)
      await cluster.waitUntilServing(others)
      const waiter = cluster.at(others[0]!).start('lock', 'long', ttl)
      try {
        const witness = cluster.at(others[1]!)
        await witness.ok('lease', 'grant', '12').then(async (granted) => {
          const [, lease] = /^lease ([0-9a-f]+) /.exec(granted)!
          await waitFor('a longer lease ends', async () =>
            (await witness.ok('lease', 'timetolive', lease!)).includes('already expired'),
          )
        })
        assert.equal(waiter.output, '')
        assert.equal(await holder.interrupt(), 0)
        await waiter.waitForOutput(/^long\/[0-9a-f]+\n/)
      } finally {
        await waiter.stop()
      }
      leader.start()
      await cluster.waitUntilServing()
    } finally {
      await holder.stop()
    }
  })

  test('an election: campaign, proclaim, listen, resign', async () => {
    const { ours, etcd } = await both.run(async (cluster) => {
      const listener = cluster.etcdctl.start('elect', '--listen', 'chair')
      const first = cluster.etcdctl.start('elect', 'chair', 'ann')
      await first.waitForOutput(/^chair\/[0-9a-f]+\nann\n/)
      const second = cluster.etcdctl.start('elect', 'chair', 'bob')
      try {
        await listener.waitForOutput('ann\n')
        await waitForKeys(cluster, 'chair/', 2)
        const early = second.output
        // A proclamation is a put on the leader's key.
        const [key] = (await cluster.etcdctl.ok('get', 'chair/', '--prefix', '--sort-by=CREATE', '--limit=1')).split(
          '\n',
        )
        await cluster.etcdctl.ok('put', key!, 'anna')
        await listener.waitForOutput('anna\n')
        await first.interrupt()
        await second.waitForOutput(/^chair\/[0-9a-f]+\nbob\n/)
        await listener.waitForOutput('bob\n')
        return { early, outputs: [listener, first, second].map(({ output }) => normalized(output)) }
      } finally {
        await stopAll([listener, first, second])
      }
    })
    assert.deepEqual(ours, etcd)
    assert.equal(ours.early, '')
  })
})
