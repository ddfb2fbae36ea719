import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../../src/base/log.ts'
import { EtcdError } from '../../../src/errors.ts'
import { userAdd, userChangePassword } from '../../../src/service/auth.ts'
import type { Call } from '../../../src/service/call.ts'
import { range } from '../../../src/service/kv.ts'
import { Login } from '../../../src/service/login.ts'
import { LoginGuard } from '../../../src/service/login-guard.ts'
import { NewPasswords } from '../../../src/service/new-passwords.ts'
import {
  AuthenticateRequest,
  AuthenticateResponse,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  RangeRequest,
} from '../../../src/wire/gen/rpc.ts'
import { AuthMember } from '../../support/auth-member.ts'
import { addUser, disable, enable, userWith, withRoot } from '../../support/auth-tables.ts'
import { bytes, rangeRequest } from '../../support/commands.ts'
import { fakeCall, liveCall, noCredentials } from '../../support/fake-call.ts'
import { PlainPasswords } from '../../support/plain-passwords.ts'

const newPasswords = (hasher: PlainPasswords): NewPasswords => new NewPasswords(hasher, 1, silentLog)

async function withUsers(): Promise<AuthMember> {
  const member = new AuthMember()
  await member.change(...withRoot, ...userWith('ann', 'read k'), {
    $case: 'add_user',
    value: { name: 'cn', password_hash: '', no_password: true, now_ms: 1n },
  })
  await member.change({ $case: 'change_password', value: { name: 'ann', password_hash: 'secret', now_ms: 1n } }, enable)
  return member
}

async function reasonOf(work: () => Promise<unknown> | unknown): Promise<string | null> {
  try {
    await work()
    return null
  } catch (error) {
    assert.ok(error instanceof EtcdError, String(error))
    return error.reason
  }
}

const logIn = async (login: Login, member: AuthMember, name: string, password: string, call = liveCall) =>
  AuthenticateResponse.decode(
    await login.authenticate(member, AuthenticateRequest.encode({ name, password }).finish(), call),
  ).token

const withToken = (token: string): Call => fakeCall({ ...noCredentials, token })
const getK = RangeRequest.encode(rangeRequest({ key: bytes('k'), serializable: true })).finish()

test('a name and its password give a token, which says who calls', async () => {
  const member = await withUsers()
  const token = await logIn(new Login(new PlainPasswords(), silentLog), member, 'ann', 'secret')
  assert.match(token, /^[A-Za-z]{16}\.[1-9][0-9]*$/)
  assert.equal(await reasonOf(() => range(member, getK, withToken(token))), null)
  assert.equal(await reasonOf(() => range(member, getK, liveCall)), 'userEmpty')
})

test('no part of a token gets into the log', async () => {
  const member = await withUsers()
  const token = await logIn(new Login(new PlainPasswords(), silentLog), member, 'ann', 'secret')
  const letters = token.slice(0, 16)
  for (const { request } of member.proposed) assert.equal(Buffer.from(request).includes(letters), false)
})

test('a wrong password, nobody and a user without one fail alike, after the same work', async () => {
  const member = await withUsers()
  const passwords = new PlainPasswords()
  const login = new Login(passwords, silentLog)
  for (const [name, password] of [
    ['ann', 'wrong'],
    ['nobody', 'secret'],
    ['cn', ''],
    ['', ''],
    ['x'.repeat(1024 * 1024), 'y'],
    ['ann', 'z'.repeat(1024 * 1024)],
  ] as const) {
    assert.equal(await reasonOf(() => logIn(login, member, name, password)), 'authFailed')
  }
  assert.equal(passwords.asked.length, 6)
})

test('with auth off nobody logs in, and tokens are not looked at', async () => {
  const member = await withUsers()
  await member.change(disable)
  const login = new Login(new PlainPasswords(), silentLog)
  assert.equal(await reasonOf(() => logIn(login, member, 'ann', 'secret')), 'authNotEnabled')
  assert.equal(await reasonOf(() => range(member, getK, withToken('rubbish'))), null)
})

test('a password that is changed while it is checked begins anew, and the old one fails', async () => {
  const member = await withUsers()
  const passwords = new PlainPasswords()
  passwords.before = async () => {
    passwords.before = async () => {}
    await member.change({ $case: 'change_password', value: { name: 'ann', password_hash: 'newer', now_ms: 1n } })
  }
  const login = new Login(passwords, silentLog)
  assert.equal(await reasonOf(() => logIn(login, member, 'ann', 'secret')), 'authFailed')
  assert.equal(passwords.asked.length, 2)
})

test('a user who never stands still is given up on', async () => {
  const member = await withUsers()
  const passwords = new PlainPasswords()
  passwords.before = () =>
    member.change({ $case: 'change_password', value: { name: 'ann', password_hash: 'secret', now_ms: 1n } })
  assert.equal(await reasonOf(() => logIn(new Login(passwords, silentLog), member, 'ann', 'secret')), 'authOldRevision')
})

test('when too many passwords wait nobody else does', async () => {
  const member = await withUsers()
  const passwords = new PlainPasswords()
  passwords.isBusy = true
  assert.equal(await reasonOf(() => logIn(new Login(passwords, silentLog), member, 'ann', 'secret')), 'tooManyRequests')
  const request = AuthUserAddRequest.encode({
    name: 'n',
    password: 'p',
    options: undefined,
    hashedPassword: '',
  }).finish()
  await member.change(disable)
  assert.equal(await reasonOf(() => userAdd(newPasswords(passwords), member, request, liveCall)), 'tooManyRequests')
})

test('passwords of no byte, and of more than bcrypt looks at, are refused', async () => {
  const member = await withUsers()
  await member.change(disable)
  const passwords = newPasswords(new PlainPasswords())
  for (const [password, want] of [
    ['', 'invalidAuthManagement'],
    ['x'.repeat(72), null],
    ['x'.repeat(73), 'invalidAuthManagement'],
    ['ü'.repeat(37), 'invalidAuthManagement'],
  ] as const) {
    const name = `u${password.length}${password[0] ?? ''}`
    const add = AuthUserAddRequest.encode({ name, password, options: undefined, hashedPassword: 'given' }).finish()
    assert.equal(await reasonOf(() => userAdd(passwords, member, add, liveCall)), want)
    const change = AuthUserChangePasswordRequest.encode({ name: 'ann', password, hashedPassword: '' }).finish()
    assert.equal(await reasonOf(() => userChangePassword(passwords, member, change, liveCall)), want)
  }
})

test('a token dies with its time, is kept alive by use, and is renewed once for all', async () => {
  const member = await withUsers()
  const dead = await member.token('ann', -1)
  assert.equal(await reasonOf(() => range(member, getK, withToken(dead))), 'invalidAuthToken')
  const old = await member.token('ann', 60_000)
  const before = member.proposed.length
  for (let n = 0; n < 3; n++) assert.equal(await reasonOf(() => range(member, getK, withToken(old))), null)
  assert.equal(member.proposed.length, before + 1)
  const fresh = await member.token('ann')
  const after = member.proposed.length
  assert.equal(await reasonOf(() => range(member, getK, withToken(fresh))), null)
  assert.equal(member.proposed.length, after)
})

test('a token whose end was changed is another one', async () => {
  const member = await withUsers()
  const token = await member.token('ann')
  for (const forged of [`${token}0`, token.slice(0, -1), `${token.slice(0, 16)}.99`, token.toLowerCase()]) {
    assert.equal(await reasonOf(() => range(member, getK, withToken(forged))), 'invalidAuthToken', forged)
  }
})

test('a change that concerns somebody else does not touch a token', async () => {
  const member = await withUsers()
  const token = await member.token('ann')
  await member.change(addUser('bob'), { $case: 'add_role', value: { name: 'r' } })
  assert.equal(await reasonOf(() => range(member, getK, withToken(token))), null)
})

test('a certificate names a user, a token counts before it, and a name that is no user may nothing', async () => {
  const member = await withUsers()
  const by = (certificateName: string | null, token: string | null = null): Call =>
    fakeCall({ ...noCredentials, certificateName, token })
  assert.equal(await reasonOf(() => range(member, getK, by('ann'))), null)
  assert.equal(await reasonOf(() => range(member, getK, by('cn'))), 'permissionDenied')
  assert.equal(await reasonOf(() => range(member, getK, by('nobody'))), 'permissionDenied')
  assert.equal(await reasonOf(() => range(member, getK, by('x'.repeat(5000)))), 'permissionDenied')
  assert.equal(await reasonOf(() => range(member, getK, by(''))), 'userEmpty')
  assert.equal(await reasonOf(() => range(member, getK, by('ann', 'rubbish'))), 'invalidAuthToken')
  assert.equal(await reasonOf(async () => range(member, getK, by('cn', await member.token('ann')))), null)
})

test('guesses that come while others are looked at are refused, and cost no hash', async () => {
  const member = await withUsers()
  const guard = new LoginGuard(LoginGuard.memory(), () => 0)
  const passwords = new PlainPasswords(guard)
  const login = new Login(passwords, silentLog, guard)
  for (let n = 0; n < 10; n++) assert.equal(await reasonOf(() => logIn(login, member, 'ann', 'wrong')), 'authFailed')
  assert.equal(await reasonOf(() => logIn(login, member, 'ann', 'secret')), 'tooManyRequests')
  assert.equal(passwords.asked.length, 10)
})

test('a login that was not looked at is refused as one too many, and counts for nobody', async () => {
  const member = await withUsers()
  const passwords = { isBusy: false, hash: async () => null, matches: async () => null }
  const guard = new LoginGuard(LoginGuard.memory(), () => 0)
  const login = new Login(passwords, silentLog, guard)
  for (let n = 0; n < 20; n++) assert.equal(await reasonOf(() => logIn(login, member, 'ann', 'x')), 'tooManyRequests')
  assert.equal(guard.mustWait('ann', { address: '', certificate: null }), false)
})

test('a password that is shorter than the rule is refused by the rule, and short ones are mentioned in the log once', async () => {
  const warnings: string[] = []
  const log = { ...silentLog, warn: (...line: unknown[]) => warnings.push(JSON.stringify(line)) }
  const strict = new NewPasswords(new PlainPasswords(), 12, log)
  for (const [password, isTaken] of [
    ['elevenchars', false],
    ['twelve chars', true],
    // Characters, not bytes or halves of them.
    ['\u{1f511}'.repeat(11), false],
    ['\u{1f511}'.repeat(12), true],
  ] as const) {
    const work = strict.hashOf('ann', password, liveCall)
    if (isTaken) assert.equal(await work, password)
    else await assert.rejects(work, { reason: 'invalidAuthManagement', cause: 'a password has at least 12 characters' })
  }
  await assert.rejects(strict.hashOf('ann', 'x'.repeat(73), liveCall), { cause: 'a password has at most 72 bytes' })
  assert.equal(warnings.length, 3)
  const lax = new NewPasswords(new PlainPasswords(), 1, log)
  for (let n = 0; n < 3; n++) assert.equal(await lax.hashOf('ann', '123', liveCall), '123')
  assert.equal(warnings.length, 4)
  assert.match(warnings[3]!, /auth-password-min-length/)
  for (const line of warnings) assert.doesNotMatch(line, /123|elevenchars|xxx/)
})

test('where a user is known its login waits its turn while others are refused because too many wait', async () => {
  const member = await withUsers()
  const passwords = new PlainPasswords()
  const login = new Login(passwords, silentLog, passwords.guard)
  passwords.isBusy = true
  assert.equal(await reasonOf(() => logIn(login, member, 'ann', 'secret')), 'tooManyRequests')
  passwords.isBusy = false
  await logIn(login, member, 'ann', 'secret')
  passwords.isBusy = true
  assert.equal(await reasonOf(() => logIn(login, member, 'ann', 'secret')), null)
  assert.equal(await reasonOf(() => logIn(login, member, 'bob', 'secret')), 'tooManyRequests')
})

test('no token is given, of whatever kind, before the login is in the audit trail where that is required', async () => {
  const jwt = { sign: async () => 'signed', verify: async () => null }
  for (const login of [
    new Login(new PlainPasswords(), silentLog),
    new Login(new PlainPasswords(), silentLog, new LoginGuard(), jwt),
  ]) {
    const member = await withUsers()
    const audit = { login() {}, persisted: () => Promise.resolve(false) } as unknown as NonNullable<Call['audit']>
    const attempt = logIn(login, member, 'ann', 'secret', { ...liveCall, audit })
    await assert.rejects(attempt, /audit trail cannot record/)
  }
})
