import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Etcdctl } from '../support/etcdctl.ts'
import { TestMember } from '../support/member.ts'
import { freePorts } from '../support/ports.ts'
import { waitFor } from '../support/wait-for.ts'

describe('etcdctl without TLS', () => {
  const dir = mkdtempSync(join(tmpdir(), 'leasehold-plaintext-'))
  let member: TestMember
  let etcdctl: Etcdctl

  before(async () => {
    const [clientUrl, peerUrl] = (await freePorts(2)).map((port) => `http://127.0.0.1:${port}`) as [string, string]
    const dataDir = join(dir, 'data')
    member = new TestMember({
      ...{ name: 'm1', program: 'leasehold', dataDir, clientUrl, peerUrl },
      flags: [
        '--name=m1',
        `--data-dir=${dataDir}`,
        `--listen-client-urls=${clientUrl}`,
        `--advertise-client-urls=${clientUrl}`,
        `--listen-peer-urls=${peerUrl}`,
        `--initial-advertise-peer-urls=${peerUrl}`,
        `--initial-cluster=m1=${peerUrl}`,
      ],
    })
    member.start()
    etcdctl = new Etcdctl([clientUrl], null)
    await waitFor('the member serves', () => etcdctl.ok('get', 'ready', '--command-timeout=2s').then(() => true))
  })
  after(async () => {
    await member?.kill()
    rmSync(dir, { recursive: true, force: true })
  })

  // It asks each endpoint with the whole URL for :authority, which the parser inside Node refuses.
  test('endpoint status', async () => {
    const status = await etcdctl.ok('endpoint', 'status')
    assert.match(status, new RegExp(`^${member.clientUrl}, [0-9a-f]{1,16}, 3\\.\\d+\\.\\d+, .*, true, false, `))
  })

  test('endpoint health', async () => {
    const { code, stderr, stdout } = await etcdctl.run(['endpoint', 'health'])
    assert.equal(code, 0, stderr)
    assert.match(stdout + stderr, new RegExp(`^${member.clientUrl} is healthy: `, 'm'))
  })

  test('put, get and watch', async () => {
    assert.equal(await etcdctl.ok('put', 'a/b', '//'), 'OK\n')
    assert.equal(await etcdctl.ok('get', 'a/', '--prefix'), 'a/b\n//\n')
    const watch = etcdctl.start('watch', 'a/b', '--rev=1')
    try {
      await watch.waitForOutput('PUT\na/b\n//\n')
      await etcdctl.ok('put', 'a/b', 'x'.repeat(100_000))
      await etcdctl.ok('del', 'a/b')
      await watch.waitForOutput(/PUT\na\/b\n\/\/\nPUT\na\/b\nx{100000}\nDELETE\na\/b\n/)
    } finally {
      await watch.stop()
    }
  })
})
