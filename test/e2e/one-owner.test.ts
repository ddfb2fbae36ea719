import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { TestCluster } from '../support/cluster.ts'
import type { TestMember } from '../support/member.ts'
import { freePorts } from '../support/ports.ts'
import { leasehold, run } from '../support/run.ts'

describe('what a running member has is its own', () => {
  let cluster: TestCluster
  let member: TestMember
  before(async () => {
    cluster = await TestCluster.start({ size: 1, flags: ['--serve-threads=1'] })
    member = cluster.members[0]!
    await cluster.etcdctl.ok('put', 'a', '1')
  })
  after(() => cluster?.[Symbol.asyncDispose]())

  const another = (dataDir: string, clientUrl: string, listenPeer: string, advertisePeer: string, ...more: string[]) =>
    run(
      leasehold,
      [
        'serve',
        `--data-dir=${dataDir}`,
        `--listen-client-urls=${clientUrl}`,
        `--advertise-client-urls=${clientUrl}`,
        `--listen-peer-urls=${listenPeer}`,
        `--initial-advertise-peer-urls=${advertisePeer}`,
        ...more,
      ],
      { timeoutMs: 30_000 },
    )

  test('its data folder, also on other addresses', async () => {
    const [client, peer] = await freePorts(2)
    const { code, stderr } = await another(
      member.dataDir,
      `http://127.0.0.1:${client}`,
      `http://127.0.0.1:${peer}`,
      member.peerUrl.replace('https', 'http'),
    )
    assert.equal(code, 1)
    assert.equal(stderr.split('\n').at(-2), `leasehold serve: ${member.dataDir} is in use by another process`)
  })

  test('its client port, although its own threads share it', async () => {
    const [peer] = await freePorts(1)
    const peerUrl = `http://127.0.0.1:${peer}`
    const clientUrl = member.clientUrl.replace('https', 'http')
    const { code, stderr } = await another(join(cluster.dir, 'other'), clientUrl, peerUrl, peerUrl, '--serve-threads=1')
    assert.equal(code, 1)
    assert.match(stderr, /^leasehold serve: [^\n]*EADDRINUSE[^\n]*\n$/m)
  })

  test('and it is unharmed', async () => {
    assert.equal(await cluster.etcdctl.ok('get', 'a', '--print-value-only'), '1\n')
    await member.kill()
    member.start()
    await cluster.waitUntilServing()
    assert.equal(await cluster.etcdctl.ok('get', 'a', '--print-value-only'), '1\n')
  })
})
