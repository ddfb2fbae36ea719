/** The audit trail of real members: what is in it of etcdctl's doings, what is not, and what becomes of it in trouble. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestCluster } from '../support/cluster.ts'
import { Etcdctl } from '../support/etcdctl.ts'
import type { TestMember } from '../support/member.ts'
import { leasehold, type Ran, run } from '../support/run.ts'
import { waitFor } from '../support/wait-for.ts'

interface AuditRecord {
  readonly [field: string]: unknown
  readonly kind?: unknown
  readonly verdict?: unknown
  readonly rule?: unknown
  readonly code?: unknown
  readonly revision?: unknown
  readonly peer?: unknown
  readonly certificate?: unknown
  readonly time?: unknown
  readonly ms?: unknown
  readonly in?: unknown
  readonly out?: unknown
  readonly lines?: unknown
  readonly user?: unknown
  readonly request?: unknown
  readonly records?: unknown
}

const folderOf = (member: TestMember): string => join(member.dataDir, 'audit')

const filesOf = (dir: string): string[] =>
  readdirSync(dir)
    .filter((name) => /^audit-\d+\.jsonl$/.test(name))
    .sort()

function recordsOf(member: TestMember): AuditRecord[] {
  const dir = folderOf(member)
  const text = filesOf(dir)
    .map((name) => readFileSync(join(dir, name), 'utf8'))
    .join('')
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  return whole
    .split('\n')
    .filter((line) => line !== '' && !/^\{"kind":"(?:begin|seal)"/.test(line))
    .map((line) => JSON.parse(line) as AuditRecord)
}

/** The newest record that has all of `fields`; a moment may pass before it is there. */
const recordWith = (member: TestMember, fields: AuditRecord): Promise<AuditRecord> =>
  waitFor(`a record with ${JSON.stringify(fields)}`, () => {
    const isMeant = (record: AuditRecord): boolean =>
      Object.entries(fields).every(([name, value]) => JSON.stringify(record[name]) === JSON.stringify(value))
    return recordsOf(member).findLast(isMeant) ?? null
  })

const verify = (member: TestMember, ...more: string[]): Promise<Ran> => {
  const dir = folderOf(member)
  return run(leasehold, ['audit', 'verify', dir, '--public-key', join(dir, 'audit-key.pub.pem'), ...more])
}

const kv = (method: string): string => `etcdserverpb.KV/${method}`
const auth = (method: string): string => `etcdserverpb.Auth/${method}`

/** All files below a folder, as one text. */
function everythingIn(dir: string): string {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n')
}

const longKeys = (first: string): string => {
  const puts = Array.from({ length: 100 }, (_, n) => `put ${first}${String(n).padStart(3, '0')}${'k'.repeat(450)} v`)
  return `\n${puts.join('\n')}\n\n\n`
}

test('what is done by etcdctl is in the trail, and nothing secret; a crash is mended, and a flipped byte found', async () => {
  await using cluster = await TestCluster.start({ size: 1, flags: ['--audit=best-effort'] })
  const [member] = cluster.members
  assert.ok(member !== undefined)
  const { etcdctl } = cluster
  const asRoot = '--user=root:pw-of-root'
  const asAlice = '--user=alice:pw-of-alice'

  await etcdctl.ok('put', '/app/a', 'value-that-nobody-sees')
  const put = await recordWith(member, { method: kv('Put'), writes: [{ key: '/app/a' }] })
  assert.equal(put.kind, 'call')
  assert.equal(put.verdict, 'allowed')
  assert.equal(put.rule, 'auth is off')
  assert.equal(put.code, 'OK')
  assert.equal(put.revision, 2)
  assert.match(String(put.peer), /^127\.0\.0\.1:\d+$/)
  assert.deepEqual((put.certificate as { names: unknown }).names, ['client'])
  assert.match(String(put.time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  assert.ok(typeof put.ms === 'number' && put.ms > 0)
  assert.ok(typeof put.in === 'number' && put.in > 20)
  assert.ok(typeof put.out === 'number' && put.out > 0)
  await etcdctl.ok('get', '/app/', '--prefix')
  await recordWith(member, { method: kv('Range'), reads: [{ prefix: '/app/' }] })
  await etcdctl.ok('del', '/app/a', '--prev-kv')
  await recordWith(member, { method: kv('DeleteRange'), reads: [{ key: '/app/a' }], writes: [{ key: '/app/a' }] })
  const lease = /lease ([0-9a-f]+)/.exec(await etcdctl.ok('lease', 'grant', '60'))?.[1]
  await recordWith(member, { method: 'etcdserverpb.Lease/LeaseGrant', leases: [lease] })

  const outsider = new Etcdctl([member.clientUrl], cluster.certificates.stranger)
  assert.notEqual((await outsider.run(['get', 'a', '--dial-timeout=2s', '--command-timeout=2s'])).code, 0)
  await recordWith(member, { kind: 'refused connection', verdict: 'denied', rule: 'untrusted' })

  await etcdctl.ok('user', 'add', 'root:pw-of-root')
  await etcdctl.ok('user', 'add', 'alice:pw-of-alice')
  await etcdctl.ok('user', 'grant-role', 'root', 'root')
  await etcdctl.ok('role', 'add', 'app')
  await etcdctl.ok('role', 'grant-permission', 'app', 'readwrite', '/app/', '--prefix')
  await etcdctl.ok('user', 'grant-role', 'alice', 'app')
  await recordWith(member, { method: auth('UserAdd'), change: { what: 'add_user', name: 'alice', noPassword: false } })
  await recordWith(member, {
    method: auth('RoleGrantPermission'),
    change: { what: 'grant_permission', role: 'app', permission: 'readwrite', range: { prefix: '/app/' } },
  })
  await etcdctl.ok('auth', 'enable')

  await etcdctl.run(['get', '/app/a'])
  // The certificate's name is no user's.
  await recordWith(member, { method: kv('Range'), verdict: 'denied', by: 'certificate', rule: 'no such user' })
  await etcdctl.run(['--user=alice:pw-that-is-wrong', 'get', '/app/a'])
  await recordWith(member, { method: auth('Authenticate'), user: 'alice', by: 'password', verdict: 'denied' })
  // Somebody typed a password where the name belongs.
  await etcdctl.run(['--user=pw-in-the-wrong-place:x', 'get', '/app/a'])
  await recordWith(member, { method: auth('Authenticate'), rule: 'no such user', verdict: 'denied' })
  await etcdctl.ok(asAlice, 'put', '/app/b', 'another-hidden-value')
  await recordWith(member, { method: auth('Authenticate'), user: 'alice', by: 'password', verdict: 'allowed' })
  await recordWith(member, { method: kv('Put'), user: 'alice', by: 'token', verdict: 'allowed', rule: 'keys' })
  await etcdctl.run([asAlice, 'put', '/other', 'x'])
  await recordWith(member, {
    method: kv('Put'),
    user: 'alice',
    verdict: 'denied',
    rule: 'write',
    code: 'PermissionDenied',
  })

  const watch = etcdctl.start(asAlice, 'watch', '/app/', '--prefix')
  await recordWith(member, { kind: 'watch', event: 'created', user: 'alice', reads: [{ prefix: '/app/' }] })
  await etcdctl.ok(asRoot, 'user', 'revoke-role', 'alice', 'app')
  await recordWith(member, { kind: 'watch', event: 'revoked', user: 'alice', verdict: 'denied' })
  await watch.stop()

  const dir = folderOf(member)
  assert.equal(statSync(dir).mode & 0o777, 0o700)
  for (const name of filesOf(dir)) assert.equal(statSync(join(dir, name)).mode & 0o777, 0o600)
  assert.equal(statSync(join(member.dataDir, 'audit-key.pem')).mode & 0o777, 0o600)
  const written = everythingIn(dir) + member.log
  for (const secret of ['pw-of-', 'pw-that-is', 'pw-in-the', 'value-that-nobody', 'another-hidden']) {
    assert.ok(!written.includes(secret), `${secret} is in the audit trail or the log`)
  }
  assert.doesNotMatch(written, /\b[A-Za-z]{16}\.\d+\b/, 'no simple token either')

  await waitFor('a checkpoint for all of it', async () => !(await verify(member)).stdout.includes('have no checkpoint'))
  const before = await verify(member)
  assert.equal(before.code, 0, before.stdout + before.stderr)
  const head = /\d+:[0-9a-f]{64}/.exec(before.stdout)![0]
  await member.kill()
  // What a write leaves that was cut in its middle.
  const last = join(dir, filesOf(dir).at(-1)!)
  writeFileSync(last, '{"kind":"call","time":"20', { flag: 'a' })
  assert.equal((await verify(member)).code, 2)
  member.start()
  const recovered = await recordWith(member, { kind: 'recovered', cutBytes: 25 })
  assert.equal(recovered.lines, 0)
  assert.equal(await member.terminate(), 0)
  const after = await verify(member, '--expect', head)
  assert.equal(after.code, 0, after.stdout)
  assert.match(after.stdout, /the member ended it\n.*the expected checkpoint is in it/s)

  const tail = await run(leasehold, [
    'audit',
    'tail',
    dir,
    '--no-follow',
    '--all',
    '--user=alice',
    '--denied',
    '--json',
  ])
  const denied = tail.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as AuditRecord)
  assert.ok(denied.length >= 3)
  for (const record of denied) assert.deepEqual([record.user, record.verdict], ['alice', 'denied'])

  const bytes = readFileSync(last)
  bytes[Math.floor(bytes.length / 2)]! ^= 1
  writeFileSync(last, bytes)
  const flipped = await verify(member)
  assert.equal(flipped.code, 2)
  assert.match(flipped.stdout, /^DAMAGED audit-\d+\.jsonl:\d+: /)
})

test('a trail that cannot be written: required refuses changes until it can again, best-effort says what is missing', async () => {
  const flags = ['--audit=required', '--audit-file-max-bytes=65536']
  await using cluster = await TestCluster.start({ size: 1, flags })
  const [member] = cluster.members
  assert.ok(member !== undefined)
  const { etcdctl } = cluster
  await etcdctl.ok('put', 'a', '1')
  const decision = await recordWith(member, { kind: 'decision', method: kv('Put') })
  const call = await recordWith(member, { kind: 'call', method: kv('Put') })
  assert.equal(call.request, decision.request)

  // No next file can be made.
  const blocked = join(folderOf(member), 'audit-00000002.jsonl')
  mkdirSync(blocked)
  for (const first of ['a', 'b', 'c']) await etcdctl.run(['txn'], { input: longKeys(first) })
  const refused = await etcdctl.run(['put', 'a', '2', '--command-timeout=5s'])
  assert.notEqual(refused.code, 0)
  assert.match(refused.stderr, /the audit trail cannot record this change/)
  assert.equal((await etcdctl.ok('get', 'a', '--print-value-only')).trim(), '1')
  rmdirSync(blocked)
  await etcdctl.ok('put', 'a', '3')
  const lost = await recordWith(member, { kind: 'lost', why: 'EEXIST' })
  assert.ok(Number(lost.records) >= 1)

  await member.terminate()
  assert.equal((await verify(member)).code, 0)
  assert.ok(filesOf(folderOf(member)).length >= 2)
  const next = `audit-${String(filesOf(folderOf(member)).length + 1).padStart(8, '0')}.jsonl`
  member.start(['--audit=best-effort'])
  await cluster.waitUntilServing()
  mkdirSync(join(folderOf(member), next))
  for (const first of ['a', 'b', 'c']) await etcdctl.ok('del', first, '--prefix')
  for (const first of ['a', 'b', 'c']) await etcdctl.run(['txn'], { input: longKeys(first) })
  await etcdctl.ok('put', 'a', '4')
  // Once before, and once again.
  await waitFor('the log says so', () => member.log.split('the audit trail cannot be written').length > 2)
  rmdirSync(join(folderOf(member), next))
  await waitFor(
    'what is missing stands in the trail',
    () => recordsOf(member).filter(({ kind }) => kind === 'lost').length >= 2,
  )
  await member.terminate()
  const { code, stdout } = await verify(member)
  assert.equal(code, 0, stdout)
})
