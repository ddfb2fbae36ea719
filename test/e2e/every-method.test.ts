/**
 * Every method of a running member, through its serving threads, for users with signed tokens of etcd's kind and with
 * certificates. The same expectations as in test/unit/grpc/access.test.ts, where there are more kinds of callers.
 */
import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { SignJWT } from 'jose'
import type { RuleChange } from '../../src/auth/change.ts'
import { silentLog } from '../../src/base/log.ts'
import { Code } from '../../src/errors.ts'
import { methodPaths } from '../../src/grpc/method.ts'
import { methodTable } from '../../src/grpc/methods.ts'
import { createHealthService } from '../../src/service/health.ts'
import { Login } from '../../src/service/login.ts'
import { NewPasswords } from '../../src/service/new-passwords.ts'
import {
  AuthenticateRequest,
  AuthenticateResponse,
  AuthRoleAddRequest,
  AuthRoleGrantPermissionRequest,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  AuthUserGrantRoleRequest,
} from '../../src/wire/gen/rpc.ts'
import { accessRows, furnish, titleOf, users } from '../support/access-table.ts'
import { type AccessCaller, surprisesOf } from '../support/access-verdict.ts'
import type { Identity } from '../support/certificates.ts'
import { TestCluster } from '../support/cluster.ts'
import { FakeMember } from '../support/fake-member.ts'
import { RawClient } from '../support/grpc-harness.ts'
import { PlainPasswords } from '../support/plain-passwords.ts'
import { TestPki } from '../support/test-pki.ts'
import { waitFor } from '../support/wait-for.ts'

const passwords = new PlainPasswords()
const table = methodTable({
  watch: { serve: () => {} },
  health: createHealthService(new FakeMember(), []),
  login: new Login(passwords, silentLog),
  passwords: new NewPasswords(passwords, 1, silentLog),
  // As it is without a flag for it.
  reflection: false,
})
const kinds = new Map([...methodPaths(table)].map(([path, { kind }]) => [path.slice(1), kind]))
const callers: AccessCaller[] = []
let dir: string
let cluster: TestCluster

const clientOf = (identity: Identity): RawClient =>
  RawClient.by(identity, Number(new URL(cluster.members[0]!.clientUrl).port))

/** The member as `furnish` sees it: all by requests. */
function furnishing(client: RawClient): Parameters<typeof furnish>[0] {
  const ask = (method: string, request: Uint8Array): Promise<Buffer> => client.unary(`/etcdserverpb.${method}`, request)
  const change = async ({ $case, value }: RuleChange): Promise<void> => {
    switch ($case) {
      case 'add_user': {
        const user = { name: value.name, password: 'hash', options: undefined, hashedPassword: '' }
        await ask('Auth/UserAdd', AuthUserAddRequest.encode(user).finish())
        break
      }
      case 'add_role':
        await ask('Auth/RoleAdd', AuthRoleAddRequest.encode(value).finish())
        break
      case 'grant_role':
        await ask('Auth/UserGrantRole', AuthUserGrantRoleRequest.encode(value).finish())
        break
      case 'grant_permission': {
        const permission = { name: value.role, perm: value.permission }
        await ask('Auth/RoleGrantPermission', AuthRoleGrantPermissionRequest.encode(permission).finish())
        break
      }
      case 'enable':
        await ask('Auth/AuthEnable', new Uint8Array(0))
        break
      default:
        assert.fail(`no request for ${$case}`)
    }
  }
  return {
    change: async (...changes) => {
      for (const one of changes) await change(one)
    },
    propose: async (kind, request) => {
      const body = await ask(kind === 'put' ? 'KV/Put' : 'Lease/LeaseGrant', request)
      return { ok: true, revision: 0, body }
    },
  }
}

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'leasehold-methods-'))
  const pki = new TestPki(dir)
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const files = { pub: join(dir, 'jwt.pub'), priv: join(dir, 'jwt.key') }
  writeFileSync(files.pub, publicKey.export({ format: 'pem', type: 'spki' }))
  writeFileSync(files.priv, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 })
  cluster = await TestCluster.start({
    size: 1,
    certificates: pki.certificates(),
    flags: [
      ...pki.crlFlags(),
      `--auth-token=jwt,pub-key=${files.pub},priv-key=${files.priv},sign-method=ES256`,
      ...['--bcrypt-cost=4', '--serve-threads=2'],
    ],
  })
  const issue = (name: string, more: Partial<Parameters<TestPki['issue']>[0]> = {}): Identity => ({
    ...pki.issue({ of: 'clients', name, profile: 'client', ...more }),
    caFile: pki.caFile('clients'),
  })
  const root = clientOf(issue('root'))
  await furnish(furnishing(root))

  const logIn = async (name: string, password = 'hash'): Promise<string> =>
    AuthenticateResponse.decode(
      await root.unary('/etcdserverpb.Auth/Authenticate', AuthenticateRequest.encode({ name, password }).finish()),
    ).token
  const add = (name: string, as: AccessCaller['as'], client: RawClient, token: string | null): void => {
    callers.push({ name, as, client, metadata: token === null ? {} : { token } })
  }
  const stranger = clientOf(issue('somebody'))
  add('stranger by certificate', 'stranger', stranger, null)
  for (const user of users) {
    add(`${user} by token`, user, stranger, await logIn(user))
    add(`${user} by certificate`, user, user === 'root' ? root : clientOf(issue(user)), null)
  }
  const ofChanged = await logIn('anyone')
  const change = AuthUserChangePasswordRequest.encode({
    name: 'anyone',
    password: 'other',
    hashedPassword: '',
  }).finish()
  await root.unary('/etcdserverpb.Auth/UserChangePassword', change)
  const now = Math.floor(Date.now() / 1000)
  const claims = { username: 'root', revision: 1000, exp: now + 600 }
  const forged = (over: object, by: KeyObject = privateKey): Promise<string> =>
    new SignJWT({ ...claims, ...over }).setProtectedHeader({ alg: 'ES256', typ: 'JWT' }).sign(by)
  const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  for (const [what, token] of Object.entries({
    'that has expired': await forged({ exp: now - 120 }),
    'that is not valid yet': await forged({ nbf: now + 600 }),
    'that never expires': await forged({ exp: undefined }),
    'without a user': await forged({ username: undefined }),
    'without a revision': await forged({ revision: undefined }),
    'of before the user was': await forged({ revision: 0 }),
    'of another key': await forged({}, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    'that is not signed': `${encoded({ alg: 'none', typ: 'JWT' })}.${encoded(claims)}.`,
    'of nobody': await forged({ username: 'no-such-user' }),
    'of an older password': ofChanged,
    'of dots': '.'.repeat(10_000),
  }))
    add(`root by certificate and a token ${what}`, 'badToken', root, token)
  const revoked = issue('revoked', { commonName: 'root' })
  pki.revoke('clients', revoked)
  await waitFor('the list is in use', async () => {
    using client = clientOf(revoked)
    return (await client.refusal('/etcdserverpb.KV/Range', new Uint8Array(0))).code === Code.Unavailable
  })
  for (const [what, identity] of Object.entries({
    'of another authority': issue('foreign', { of: 'strangers', commonName: 'root' }),
    'that has expired': issue('expired', { ageDays: 40, commonName: 'root' }),
    'that is revoked': revoked,
    'for servers only': issue('server-only', { usage: ['serverAuth'], commonName: 'root' }),
  }))
    add(`root by a certificate ${what}`, 'shut out', clientOf(identity), callers.at(2)!.metadata.token ?? null)
})
after(async () => {
  for (const { client } of callers) client[Symbol.dispose]()
  await cluster?.[Symbol.asyncDispose]()
  rmSync(dir, { recursive: true, force: true })
})

for (const row of accessRows)
  test(titleOf(row), async () => {
    // What root does here ends it for all.
    const isLast = row.path.endsWith('/AuthDisable')
    const asked = callers.filter(({ as }) => !(isLast && as === 'root'))
    assert.deepEqual(await surprisesOf(row, kinds.get(row.path)!, asked), [])
  })
