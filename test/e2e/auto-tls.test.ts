import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestMember } from '../support/member.ts'
import { freePorts } from '../support/ports.ts'
import { run } from '../support/run.ts'
import { waitFor } from '../support/wait-for.ts'

for (const program of ['leasehold', 'etcd'] as const)
  test(`${program}: three members with certificates of their own making`, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'leasehold-auto-tls-'))
    const ports = await freePorts(6)
    const url = (i: number): string => `https://127.0.0.1:${ports[i]}`
    const names = ['m1', 'm2', 'm3']
    const initialCluster = names.map((name, i) => `${name}=${url(2 * i + 1)}`).join(',')
    const members = names.map(
      (name, i) =>
        new TestMember({
          name,
          dataDir: join(dir, name),
          clientUrl: url(2 * i),
          peerUrl: url(2 * i + 1),
          program,
          flags: [
            ...[`--name=${name}`, `--data-dir=${join(dir, name)}`, `--initial-cluster=${initialCluster}`],
            ...[`--listen-client-urls=${url(2 * i)}`, `--advertise-client-urls=${url(2 * i)}`],
            ...[`--listen-peer-urls=${url(2 * i + 1)}`, `--initial-advertise-peer-urls=${url(2 * i + 1)}`],
            ...['--auto-tls', '--peer-auto-tls'],
          ],
        }),
    )
    const etcdctl = (i: number, ...args: string[]) =>
      run(
        'etcdctl',
        [`--endpoints=${url(2 * i)}`, '--insecure-transport=false', '--insecure-skip-tls-verify', ...args],
        {
          env: { ETCDCTL_API: '3' },
        },
      )
    try {
      for (const member of members) member.start()
      await waitFor('a write is acknowledged', async () => (await etcdctl(0, 'put', 'a', '1')).stdout === 'OK\n')
      assert.equal((await etcdctl(2, 'get', 'a', '--print-value-only')).stdout, '1\n')
      // Who checks certificates does not take these.
      const checked = await run(
        'etcdctl',
        [`--endpoints=${url(0)}`, '--insecure-transport=false', '--command-timeout=2s', 'get', 'a'],
        {
          env: { ETCDCTL_API: '3' },
        },
      )
      assert.notEqual(checked.code, 0)
      for (const side of ['client', 'peer']) {
        const path = (name: string): string => join(dir, 'm1', 'fixtures', side, name)
        assert.equal(statSync(path('key.pem')).mode & 0o077, 0)
        const { stdout } = await run('openssl', [
          'x509',
          '-in',
          path('cert.pem'),
          '-noout',
          '-checkend',
          String(360 * 86_400),
        ])
        assert.match(stdout, /will not expire/)
      }
      if (program === 'leasehold') {
        assert.match(members[0]!.log, /client connections are encrypted with a certificate that nobody vouches for/)
        assert.match(members[0]!.log, /connections between members are encrypted but not authenticated/)
        // The next life goes on with the same ones.
        const made = statSync(join(dir, 'm1', 'fixtures', 'peer', 'cert.pem')).mtimeMs
        await members[0]!.terminate()
        members[0]!.start()
        await waitFor('it is back', async () => (await etcdctl(0, 'get', 'a', '--print-value-only')).stdout === '1\n')
        assert.equal(statSync(join(dir, 'm1', 'fixtures', 'peer', 'cert.pem')).mtimeMs, made)
      }
    } finally {
      await Promise.all(members.map((member) => member.kill()))
      rmSync(dir, { recursive: true, force: true })
    }
  })
