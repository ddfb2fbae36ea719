/** etcdctl make-mirror between two clusters, in every combination of leasehold and etcd. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Both } from '../support/both.ts'
import { TestCluster } from '../support/cluster.ts'
import { waitFor } from '../support/wait-for.ts'

function mirror(source: TestCluster, target: TestCluster, prefix: string, ...options: string[]) {
  const { caFile, certFile, keyFile } = target.certificates.client
  return source.etcdctl.start(
    'make-mirror',
    `--prefix=${prefix}`,
    `--dest-cacert=${caFile}`,
    `--dest-cert=${certFile}`,
    `--dest-key=${keyFile}`,
    ...options,
    new URL(target.members[0]!.clientUrl).host,
  )
}

describe('etcdctl make-mirror', () => {
  const both = Both.forThisSuite(1)

  for (const [name, direction] of [
    ['from etcd to leasehold', () => [both.etcd, both.ours]],
    ['from leasehold to etcd', () => [both.ours, both.etcd]],
  ] as const)
    test(`${name}: what was there, what is written and what is deleted`, async () => {
      const [source, target] = direction() as [TestCluster, TestCluster]
      const prefix = `${name.replaceAll(' ', '-')}/`
      for (let n = 0; n < 20; n++) await source.etcdctl.ok('put', `${prefix}old${n}`, `value ${n}`)
      const running = mirror(source, target, prefix)
      try {
        const values = (cluster: TestCluster) => cluster.etcdctl.ok('get', prefix, '--prefix')
        await waitFor('the old keys arrive', async () => (await values(target)) === (await values(source)))
        await source.etcdctl.run(['txn'], {
          input: `\nput ${prefix}new1 a\nput ${prefix}new2 b\ndel ${prefix}old0\n\n\n`,
        })
        await source.etcdctl.ok('put', `${prefix}old1`, 'changed')
        await source.etcdctl.ok('del', `${prefix}old10`, `${prefix}old15`)
        await waitFor('the changes arrive', async () => (await values(target)) === (await values(source)))
        assert.doesNotMatch(await values(target), /old1[0-4]\n/)
      } finally {
        await running.stop()
      }
    })

  test('between two of leasehold, under another prefix', async () => {
    await using target = await TestCluster.start({ size: 1, certificates: both.ours.certificates })
    await both.ours.etcdctl.ok('put', 'from/a', '1')
    const running = mirror(both.ours, target, 'from/', '--dest-prefix=to/')
    try {
      await waitFor('the first key', async () => (await target.etcdctl.ok('get', 'to/a')) !== '')
      await both.ours.etcdctl.ok('put', 'from/b', '2')
      await waitFor('the second key', async () => (await target.etcdctl.ok('get', 'to/b')) !== '')
      assert.equal(await target.etcdctl.ok('get', '', '--prefix'), 'to/a\n1\nto/b\n2\n')
    } finally {
      await running.stop()
    }
  })
})
