import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { TestCluster } from '../support/cluster.ts'
import type { TestMember } from '../support/member.ts'
import { leasehold, run } from '../support/run.ts'

async function pki(...args: string[]): Promise<void> {
  const { code, stderr } = await run(leasehold, ['pki', ...args], { timeoutMs: 60_000 })
  assert.equal(code, 0, stderr)
}

test('a cluster serves through each step of its authorities’ rotation', async () => {
  await using cluster = await TestCluster.start({ size: 3 })
  const { server, peer, client } = cluster.certificates
  const authorities = [dirname(server.caFile), dirname(peer.caFile)]
  let written = 0

  const write = async (): Promise<void> => {
    await cluster.etcdctl.ok('put', `key${written}`, `${written}`)
    written++
  }
  /** Loads files anew; a cluster of three goes on with two. */
  const restartEach = async (): Promise<void> => {
    for (const member of cluster.members as TestMember[]) {
      await member.terminate()
      member.start()
      await cluster.waitUntilServing([member])
      await write()
    }
  }
  const step = async (name: string): Promise<void> => {
    for (const dir of authorities) await pki('rotate', 'authority', '--dir', dir, `--${name}`)
  }
  const renew = (dir: string, { certFile, keyFile }: { certFile: string; keyFile: string }): Promise<void> =>
    pki('rotate', 'certificate', '--dir', dir, '--cert', certFile, '--key', keyFile)

  await write()
  await step('begin')
  await write()
  await restartEach()
  await step('switch')
  await write()
  await renew(authorities[0]!, server)
  await renew(authorities[0]!, client)
  await renew(authorities[1]!, peer)
  await write()
  await restartEach()
  await step('finish')
  await write()
  await restartEach()
  const keys = await cluster.etcdctl.ok('get', 'key', '--prefix', '--keys-only')
  assert.equal(keys.match(/^key/gm)?.length, written)
})
