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

test('policies.sh does what it says', async () => {
  await using cluster = await TestCluster.start({ size: 1 })
  const { caFile, certFile, keyFile } = cluster.certificates.client
  const { code, stdout, stderr } = await run('sh', [example('policies.sh')], {
    env: {
      LEASEHOLD: leasehold,
      ETCDCTL_API: '3',
      ETCDCTL_ENDPOINTS: cluster.members[0]!.clientUrl,
      ETCDCTL_CACERT: caFile,
      ETCDCTL_CERT: certFile,
      ETCDCTL_KEY: keyFile,
    },
  })
  assert.equal(code, 0, stderr)
  const lines = stdout.split('\n').filter((line) => !/^[+~] | {4}\+ /.test(line))
  assert.deepEqual(lines, [
    '-- ask the file before it counts',
    'patroni.yaml: roles: 3, users: 4, groups: 0, cases: 8; errors: 0, warnings: 0',
    'patroni.yaml: 8 of 8 cases passed',
    '-- make the cluster what it says',
    'applied: auth revision 2',
    ...['patroni-main', 'patroni-reports', 'root'].map(
      (name) => `the user "${name}" cannot log in until it has a password: etcdctl user passwd`,
    ),
    'auth is off: everybody may everything until it is on (etcdctl auth enable)',
    ...['Password updated', 'Password updated', 'Authentication Enabled'],
    ...['-- one may what it may', 'OK', 'but not that'],
    'denied: user "patroni-main" write key "/service/reports/leader"',
    '  roles: "patroni-main"',
    '  nothing grants write key "/service/reports/leader"',
    '  near to it: role "patroni-main": read, write prefix "/service/main/"',
    '  it would be allowed by: "patroni-reports"',
    ...['-- nothing has changed since', 'no difference', 'Authentication Disabled', ''],
  ])
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
