import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildMemberConfig } from '../../src/config/build-member-config.ts'
import { loadSettings } from '../../src/config/load-settings.ts'
import { TestCluster } from '../support/cluster.ts'
import { leasehold, projectRoot, run } from '../support/run.ts'

const example = (name: string): string => join(projectRoot, 'examples', name)

test('first-steps.sh does what it says', async () => {
  await using cluster = await TestCluster.start({ size: 1 })
  const { caFile, certFile, keyFile } = cluster.certificates.client
  const { code, stdout, stderr } = await run('sh', [example('first-steps.sh')], {
    env: {
      ETCDCTL_API: '3',
      ETCDCTL_ENDPOINTS: cluster.members[0]!.clientUrl,
      ETCDCTL_CACERT: caFile,
      ETCDCTL_CERT: certFile,
      ETCDCTL_KEY: keyFile,
    },
  })
  assert.equal(code, 0, stderr)
  assert.equal(
    stdout,
    [
      '-- put, get, and what was there before',
      ...['OK', 'OK', 'service/web', '10.0.0.1:80', 'OK'],
      ...['service/db', '10.0.0.3:5432', 'service/web', '10.0.0.2:80'],
      '-- only if nobody was faster: create a key in a transaction',
      ...['SUCCESS', '', 'OK'],
      '-- a key that goes away with its owner',
      'OK',
      'lease LEASE granted with TTL(60s), remaining(TIME), attached keys([session/me])',
      'lease LEASE revoked',
      '-- everything that ever happened to a key',
      ...['PUT', 'service/web', '10.0.0.1:80', 'PUT', 'service/web', '10.0.0.2:80', ''],
    ].join('\n'),
  )
})

test('certificates.sh makes the files that member.yaml names, and that start a member', async () => {
  const cwd = mkdtempSync(join(tmpdir(), 'leasehold-examples-'))
  try {
    const made = await run('sh', [example('certificates.sh')], { cwd, env: { LEASEHOLD: leasehold } })
    assert.equal(made.code, 0, made.stderr)
    const { settings, warnings } = loadSettings({
      args: ['--config-file', example('member.yaml')],
      environment: {},
      readFile: (path) => readFileSync(path, 'utf8'),
    })
    assert.deepEqual(warnings, [])
    const config = buildMemberConfig(settings, { cwd, cores: 2 })
    assert.equal(config.initialCluster.size, 3)
    for (const tls of [config.clientTls!, config.peerTls!]) {
      const verified = await run('openssl', ['verify', '-CAfile', tls.trustedCaFile!, tls.certFile])
      assert.equal(verified.stdout, `${tls.certFile}: OK\n`, verified.stderr)
      assert.match(readFileSync(tls.keyFile, 'latin1'), /PRIVATE KEY/)
    }
  } finally {
    rmSync(cwd, { recursive: true, force: true })
  }
})
