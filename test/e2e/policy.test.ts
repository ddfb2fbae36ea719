/** Policies as files, on three members with mutual TLS: from the file to what etcdctl may as the users in it. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { credentials } from '@grpc/grpc-js'
import { Code } from '../../src/errors.ts'
import { PolicyApplyRequest, PolicyGetRequest, PolicyGetResponse } from '../../src/wire/gen/leasehold.ts'
import type { Identity } from '../support/certificates.ts'
import { TestCluster } from '../support/cluster.ts'
import { Etcdctl } from '../support/etcdctl.ts'
import { RawClient } from '../support/grpc-harness.ts'
import { leasehold, type Ran, run } from '../support/run.ts'
import { waitFor } from '../support/wait-for.ts'

const rootPassword = 'the-root-of-it-all'

const policyOf = (appRange: string): string => `
version: 1
roles:
  - name: app
    permissions:
      - { allow: [read, write], ${appRange} }
  - name: reader
    permissions:
      - { allow: [read], prefix: /app/ }
users:
  - { name: root, roles: [root], login: password }
  - { name: admin, roles: [root], login: certificate }
  - { name: app, roles: [app], login: certificate }
  - { name: reader, roles: [reader], login: certificate }
  - { name: auditor, roles: ["leasehold:auditor"], login: certificate }
  - { name: ann, roles: [reader], login: password }
  - { name: client, roles: ["leasehold:monitor"], login: certificate, comment: With which the cluster is asked who leads. }
groups:
  - { name: "oidc:team", roles: [reader] }
cases:
  - { user: reader, verb: write, key: /app/x, expect: deny }
`
const basic = policyOf('prefix: /app/')

describe('policies on three members', () => {
  let cluster: TestCluster
  let identities: Readonly<Record<'admin' | 'app' | 'reader' | 'auditor', Identity>>
  before(async () => {
    cluster = await TestCluster.start({ size: 3 })
    const issue = async (name: string): Promise<Identity> => {
      const out = join(cluster.dir, 'users')
      const { clientAuthority } = cluster.certificates
      const args = ['issue', '--dir', clientAuthority, '--profile', 'client', '--name', name, '--out', out]
      const { code, stderr } = await run(leasehold, ['pki', ...args])
      assert.equal(code, 0, stderr)
      return {
        caFile: cluster.certificates.client.caFile,
        certFile: join(out, `${name}.crt`),
        keyFile: join(out, `${name}.key`),
      }
    }
    // One after the other: they share the authority's index.
    const admin = await issue('admin')
    const app = await issue('app')
    const reader = await issue('reader')
    const auditor = await issue('auditor')
    identities = { admin, app, reader, auditor }
  })
  after(async () => {
    await cluster?.[Symbol.asyncDispose]()
  })

  const file = (name: string, text: string): string => {
    const path = join(cluster.dir, `${name}.yaml`)
    writeFileSync(path, text)
    return path
  }
  const endpoints = (): string => cluster.members.map(({ clientUrl }) => clientUrl).join(',')
  /** `leasehold policy` with a connection, as the owner of a certificate. */
  const policy = (identity: Identity, args: readonly string[], more: readonly string[] = []): Promise<Ran> => {
    const { caFile, certFile, keyFile } = identity
    const connection = ['--endpoints', endpoints(), '--cacert', caFile, '--cert', certFile, '--key', keyFile]
    // On a busy machine the defaults are short.
    const patience = ['--dial-timeout', '10s', '--command-timeout', '20s']
    return run(leasehold, ['policy', ...args, ...connection, ...patience, ...more], { timeoutMs: 60_000 })
  }
  const as = (identity: Identity): Etcdctl => new Etcdctl([cluster.members[1]!.clientUrl], identity)

  /** @returns standard output. */
  const expectExit = async (ran: Promise<Ran>, want: number): Promise<string> => {
    const { code, stdout, stderr } = await ran
    assert.equal(code, want, `${stdout}${stderr}`)
    return stdout
  }
  const refusal = async (ran: Promise<Ran>): Promise<string> => {
    const { code, stderr, stdout } = await ran
    assert.equal(code, 1, stdout)
    return stderr
  }
  const clientOf = ({ caFile, certFile, keyFile }: Identity): RawClient => {
    const tls = credentials.createSsl(readFileSync(caFile), readFileSync(keyFile), readFileSync(certFile))
    const port = Number(new URL(cluster.members[0]!.clientUrl).port)
    return new RawClient(port, tls, { 'grpc.ssl_target_name_override': 'localhost' })
  }

  test('a file is checked and tested without a cluster', { timeout: 60_000 }, async () => {
    const good = file('basic', basic)
    const bad = file('bad', basic.replace('login: password }', 'login: password, password: secret }'))
    const wide = file('wide', policyOf('all: true').replace('roles: [reader] }\ncases', 'roles: [app] }\ncases'))
    const failing = file('failing', basic.replace('expect: deny', 'expect: allow'))
    const local = (...args: string[]): Promise<Ran> => run(leasehold, ['policy', ...args])
    const { admin } = identities
    const [checked, tested, checkedBad, checkedWide, tested2, appliedFailing, appliedWide] = await Promise.all([
      expectExit(local('check', good), 0),
      expectExit(local('test', good), 0),
      refusal(local('check', bad)),
      expectExit(local('check', wide), 1),
      expectExit(local('test', good, failing), 1),
      refusal(policy(admin, ['apply', failing])),
      refusal(policy(admin, ['apply', wide])),
    ])
    assert.match(checked, /errors: 0, warnings: 0/)
    assert.match(tested, /1 of 1 cases passed/)
    assert.match(checkedBad, /bad\.yaml:\d+:\d+: error: there is no "password" in entry 1 of users/)
    assert.match(checkedWide, /error all-keys-to-group: .*oidc:team/)
    assert.match(
      tested2,
      /basic\.yaml: 1 of 1 cases passed\n.*failed: user "reader" write key "\/app\/x": expected allow, got deny/,
    )
    assert.match(appliedFailing, /fails its own cases/)
    assert.match(appliedWide, /--accept all-keys-to-group/)
  })

  test('applied to a cluster without rules, it is what etcdctl sees and may', { timeout: 60_000 }, async () => {
    const { admin } = identities
    const path = file('basic', basic)
    assert.match(
      await expectExit(policy(admin, ['diff', path]), 2),
      /\+ role "app"\n {4}\+ read, write prefix "\/app\/"/,
    )
    assert.match(await expectExit(policy(admin, ['apply', path, '--dry-run']), 0), /nothing was applied/)
    assert.equal(await cluster.etcdctl.ok('user', 'list'), '')
    const applied = await expectExit(policy(admin, ['apply', path]), 0)
    assert.match(applied, /\+ group "oidc:team"[\s\S]*applied: auth revision 2\n/)
    assert.match(applied, /the user "ann" cannot log in until it has a password[\s\S]*auth is off/)
    assert.match(await expectExit(policy(admin, ['apply', path]), 0), /nothing to do/)
    assert.equal(await expectExit(policy(admin, ['diff', path, '--prune']), 0), '')

    const passwd = ['user', 'passwd', 'root', '--interactive=false']
    assert.equal((await cluster.etcdctl.run(passwd, { input: `${rootPassword}\n` })).code, 0)
    await cluster.etcdctl.ok('auth', 'enable')
    await as(identities.app).ok('put', '/app/x', '1')
    assert.match(await as(identities.reader).ok('get', '/app/x'), /1/)
    for (const [who, args] of [
      ['app', ['put', '/other', '1']],
      ['reader', ['put', '/app/x', '2']],
      ['auditor', ['get', '/app/x']],
      ['app', ['user', 'list']],
    ] as const) {
      const { code, stderr } = await as(identities[who]).run(args)
      assert.equal(code, 1)
      assert.match(stderr, /permission denied/)
    }
    assert.match(await as(identities.auditor).ok('role', 'get', 'app'), /\[\/app\/, \/app0\)/)
    // Nobody knows a password of this one yet.
    const { stderr } = await as(identities.app).run(['get', '/app/x', '--user=ann:guess'])
    assert.match(stderr, /authentication failed/)
  })

  test('explain says what the members decide, and why', { timeout: 60_000 }, async () => {
    const { auditor, app } = identities
    const allowed = await expectExit(policy(auditor, ['explain', 'app', 'write', '/app/x']), 0)
    assert.match(
      allowed,
      /^allowed: user "app" write key "\/app\/x"\n[\s\S]*by role "app": read, write prefix "\/app\/"/,
    )
    const denied = await expectExit(policy(auditor, ['explain', 'reader', 'write', '/app/x']), 2)
    assert.match(denied, /near to it: role "reader": read prefix "\/app\/"\n[\s\S]*would be allowed by: "app"/)
    assert.match(await refusal(policy(app, ['explain', 'app', 'write', '/app/x'])), /permission denied/)
  })

  test('what was changed behind its back is found, and put right', { timeout: 60_000 }, async () => {
    const { admin, auditor } = identities
    const path = file('basic', basic)
    const root = `--user=root:${rootPassword}`
    await cluster.etcdctl.ok('role', 'grant-permission', 'reader', 'readwrite', '/secret/', '--prefix', root)
    await cluster.etcdctl.ok('user', 'add', 'eve', '--no-password', root)
    assert.equal(
      await expectExit(policy(auditor, ['diff', path]), 2),
      '~ role "reader"\n    - read, write prefix "/secret/"\n  user "eve" is not in the policy: left alone without --prune\n',
    )
    const { changes, authEnabled } = JSON.parse(
      await expectExit(policy(auditor, ['diff', path, '--prune', '--json']), 2),
    )
    assert.equal(authEnabled, true)
    assert.deepEqual(
      changes.map(({ kind, name, action }: Record<string, string>) => `${action} ${kind} ${name}`),
      ['change role reader', 'delete user eve'],
    )
    assert.match(await refusal(policy(auditor, ['apply', path])), /permission denied; nothing was applied/)
    assert.match(await expectExit(policy(admin, ['apply', path, '--prune']), 0), /- user "eve"\napplied/)
    assert.equal(await expectExit(policy(auditor, ['diff', path, '--prune']), 0), '')
    assert.doesNotMatch(await as(admin).ok('user', 'list'), /eve/)
  })

  test('an export is a policy that changes nothing, and the same on every member', { timeout: 60_000 }, async () => {
    const { auditor, admin } = identities
    const exported = await expectExit(policy(auditor, ['export']), 0)
    const { caFile, certFile, keyFile } = auditor
    const each = await Promise.all(
      cluster.members.map(({ clientUrl }) => {
        const connection = ['--endpoints', clientUrl, '--cacert', caFile, '--cert', certFile, '--key', keyFile]
        return run(leasehold, ['policy', 'export', ...connection])
      }),
    )
    assert.deepEqual(
      each.map(({ stdout }) => stdout),
      [exported, exported, exported],
    )
    const path = file('exported', exported)
    assert.equal(await expectExit(policy(auditor, ['diff', path, '--prune']), 0), '')
    await expectExit(policy(admin, ['apply', file('other', policyOf('prefix: /app2/'))]), 0)
    await expectExit(policy(admin, ['apply', path, '--prune']), 0)
    assert.equal(await expectExit(policy(auditor, ['export']), 0), exported)
  })

  test('a cluster with more than a policy can have says so when it is exported', { timeout: 60_000 }, async () => {
    const { admin, auditor } = identities
    const names = Array.from({ length: 9500 }, (_, at) => `role-${'x'.repeat(6)}-${at}`)
    const many = names.map((name) => `  - {name: ${name}, permissions: [{allow: [read], prefix: /${name}/}]}\n`)
    await expectExit(policy(admin, ['apply', file('many', `version: 1\nroles:\n${many.join('')}`)]), 0)
    const { code, stdout, stderr } = await policy(auditor, ['export'])
    assert.equal(code, 1)
    assert.match(stderr, /the cluster has what no policy can have: 1:1: a policy has at most 1048576 bytes\n$/)
    // All of it is there all the same.
    assert.ok(names.every((name) => stdout.includes(`- name: ${name}\n`)))
    assert.match(stdout, /- name: oidc:team\n {4}roles:\n {6}- reader\n$/)
    await expectExit(policy(admin, ['apply', file('basic', basic), '--prune']), 0)
  })

  test('of two changes of the same rules one is refused', { timeout: 60_000 }, async () => {
    const { admin, auditor } = identities
    const client = clientOf(admin)
    try {
      const get = async () =>
        PolicyGetResponse.decode(await client.unary('/leasehold.v1.Policies/Get', PolicyGetRequest.encode({}).finish()))
      const { auth_revision } = await get()
      const put = (name: string) =>
        client.unary(
          '/leasehold.v1.Policies/Apply',
          PolicyApplyRequest.encode({
            ...PolicyApplyRequest.decode(new Uint8Array(0)),
            expected_auth_revision: auth_revision,
            put_groups: [{ name, roles: ['reader'] }],
          }).finish(),
        )
      const results = await Promise.allSettled(['race1', 'race2', 'race3'].map(put))
      const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
      assert.equal(refused.length, 2)
      for (const { code, details } of refused) {
        assert.deepEqual([code, details], [Code.InvalidArgument, 'etcdserver: revision of auth store is old'])
      }
      const afterwards = await get()
      assert.equal(afterwards.auth_revision, auth_revision + 1n)
      assert.equal(afterwards.groups.filter(({ name }) => name.startsWith('race')).length, 1)
    } finally {
      client[Symbol.dispose]()
    }
    // By the command: whoever is refused says so, and what was said to be applied was.
    const before = (await expectExit(policy(auditor, ['diff', file('basic', basic), '--json']), 0)) || '{}'
    const { authRevision } = JSON.parse(before)
    const ran = await Promise.all(
      [1, 2, 3].map((each) => policy(admin, ['apply', file(`race${each}`, policyOf(`prefix: /app${each}/`))])),
    )
    const applied = ran.filter(({ code }) => code === 0)
    for (const { code, stderr } of ran)
      if (code !== 0) assert.match(stderr, /were changed meanwhile: nothing was applied/)
    const now = JSON.parse((await policy(auditor, ['diff', file('basic', basic), '--json'])).stdout)
    assert.equal(now.authRevision, authRevision + applied.length)
    assert.ok(applied.length >= 1)
    await expectExit(policy(admin, ['apply', file('basic', basic), '--prune']), 0)
  })

  test('nobody locks themselves out, whatever they ask with', { timeout: 60_000 }, async () => {
    const { admin } = identities
    const withoutRoot = file('without-root', basic.replace(/ {2}- \{ name: root.*\n/, ''))
    assert.match(
      await refusal(policy(admin, ['apply', withoutRoot, '--prune'])),
      /the user root with the role root would be gone/,
    )
    const withoutMe = file('without-me', basic.replace(/ {2}- \{ name: admin.*\n/, ''))
    assert.match(
      await refusal(policy(admin, ['apply', withoutMe, '--prune'])),
      /would lose the role root|or you would not/,
    )
    const client = clientOf(admin)
    try {
      const { auth_revision, users } = PolicyGetResponse.decode(
        await client.unary('/leasehold.v1.Policies/Get', new Uint8Array(0)),
      )
      for (const change of [
        { delete_users: ['admin'] },
        { put_users: [{ name: 'admin', roles: [], no_password: true }] },
        { delete_users: ['root'] },
        { put_users: [{ name: 'root', roles: ['reader'], no_password: false }] },
        { put_groups: [{ name: 'oidc:team', roles: ['nosuch'] }] },
      ]) {
        const request = {
          ...PolicyApplyRequest.decode(new Uint8Array(0)),
          expected_auth_revision: auth_revision,
          ...change,
        }
        await assert.rejects(client.unary('/leasehold.v1.Policies/Apply', PolicyApplyRequest.encode(request).finish()))
      }
      const now = PolicyGetResponse.decode(await client.unary('/leasehold.v1.Policies/Get', new Uint8Array(0)))
      assert.equal(now.auth_revision, auth_revision)
      assert.deepEqual(now.users, users)
    } finally {
      client[Symbol.dispose]()
    }
    // Somebody else may.
    const root = ['--user', `root:${rootPassword}`]
    await expectExit(policy(identities.app, ['apply', withoutMe, '--prune'], root), 0)
    await expectExit(policy(identities.app, ['apply', file('basic', basic)], root), 0)
  })

  test('a policy is applied once or not at all while the leader dies', { timeout: 90_000 }, async () => {
    const { admin, auditor } = identities
    const leader = await cluster.leader()
    const files = [1, 2].map((each) => file(`move${each}`, policyOf(`prefix: /move${each}/`)))
    const first = policy(admin, ['apply', files[0]!])
    const second = policy(admin, ['diff', files[1]!])
    await leader.kill()
    const { code, stderr } = await first
    await second
    if (code !== 0) assert.match(stderr, /no answer|changed meanwhile|request timed out|no leader|leader changed|left/)
    // Whatever was said is true, and the next one goes through.
    await waitFor('the others have a leader', async () => (await policy(auditor, ['export'])).code === 0)
    if (code === 0) assert.equal((await policy(auditor, ['diff', files[0]!])).code, 0)
    await expectExit(policy(admin, ['apply', files[1]!]), 0)
    leader.start()
    await waitFor(
      'the one that died has the rules, too',
      async () => {
        const { caFile, certFile, keyFile } = auditor
        const connection = ['--endpoints', leader.clientUrl, '--cacert', caFile, '--cert', certFile, '--key', keyFile]
        const ran = await run(leasehold, ['policy', 'diff', files[1]!, ...connection])
        return ran.code === 0
      },
      30_000,
    )
  })
})
