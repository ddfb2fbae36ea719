import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../src/base/limits.ts'
import { silentLog } from '../../../src/base/log.ts'
import { EtcdError } from '../../../src/errors.ts'
import { Passwords } from '../../../src/security/passwords.ts'
import { userAdd, userChangePassword } from '../../../src/service/auth.ts'
import type { Call } from '../../../src/service/call.ts'
import { range } from '../../../src/service/kv.ts'
import { Login, type PasswordHasher } from '../../../src/service/login.ts'
import { LoginGuard } from '../../../src/service/login-guard.ts'
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

/** Compares texts, when the test lets it. */
class PlainPasswords implements PasswordHasher {
  isBusy = false
  readonly asked: { readonly password: string; readonly hash: string | null }[] = []
  before: () => Promise<void> = async () => {}
  hash = async (password: string): Promise<string> => password
  async matches(password: string, hash: string | null): Promise<boolean> {
    this.asked.push({ password, hash })
    await this.before()
    return password === hash
  }
}

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
  assert.equal(await reasonOf(() => userAdd(passwords, member, request, liveCall)), 'tooManyRequests')
})

test('passwords of no byte, and of more than bcrypt looks at, are refused', async () => {
  const member = await withUsers()
  await member.change(disable)
  const passwords = new PlainPasswords()
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
  const by = (commonName: string | null, token: string | null = null): Call =>
    fakeCall({ ...noCredentials, commonName, token })
  assert.equal(await reasonOf(() => range(member, getK, by('ann'))), null)
  assert.equal(await reasonOf(() => range(member, getK, by('cn'))), 'permissionDenied')
  assert.equal(await reasonOf(() => range(member, getK, by('nobody'))), 'permissionDenied')
  assert.equal(await reasonOf(() => range(member, getK, by('x'.repeat(5000)))), 'permissionDenied')
  assert.equal(await reasonOf(() => range(member, getK, by(''))), 'userEmpty')
  assert.equal(await reasonOf(() => range(member, getK, by('ann', 'rubbish'))), 'invalidAuthToken')
  assert.equal(await reasonOf(async () => range(member, getK, by('cn', await member.token('ann')))), null)
})

// --- the guard ---

test('after some failures each next attempt of a user waits twice as long, up to a bound', () => {
  let now = 0
  const guard = new LoginGuard(() => now)
  const waitMs = (): number => {
    const start = now
    while (guard.mustWait('ann', 'here')) now += 50
    return now - start
  }
  for (let n = 0; n < 10; n++) {
    assert.equal(guard.mustWait('ann', 'here'), false)
    guard.failed('ann', `address ${n}`)
  }
  const waits: number[] = []
  for (let n = 0; n < 8; n++) {
    waits.push(waitMs())
    guard.failed('ann', `address ${n}`)
  }
  assert.deepEqual(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000])
  assert.equal(guard.mustWait('bob', 'here'), false, 'others go on')
  guard.succeeded('ann')
  assert.equal(guard.mustWait('ann', 'here'), false)
})

test('an address that fails in many names has to wait, whatever the name', () => {
  let now = 0
  const guard = new LoginGuard(() => now)
  for (let n = 0; n < 100; n++) guard.failed(`user ${n}`, 'there')
  assert.equal(guard.mustWait('new', 'there'), true)
  assert.equal(guard.mustWait('new', 'here'), false)
  now += 11 * 60 * 1000
  assert.equal(guard.mustWait('new', 'there'), false)
  guard.failed('new', 'there')
  assert.equal(guard.mustWait('new', 'there'), false, 'long ago is forgotten')
})

test('what is remembered of failures is bounded, and who failed last is not forgotten first', () => {
  const guard = new LoginGuard(() => 0)
  for (let n = 0; n < 11; n++) guard.failed('ann', `a${n}`)
  for (let n = 0; n < limits.loginFailuresRememberedMax - 1; n++) guard.failed(`user ${n}`, `b${n}`)
  assert.equal(guard.mustWait('ann', 'x'), true)
  guard.failed('one more', 'y')
  assert.equal(guard.mustWait('ann', 'x'), false)
})

test('a login that has to wait costs no hash', async () => {
  const member = await withUsers()
  const passwords = new PlainPasswords()
  const login = new Login(passwords, silentLog, new LoginGuard(() => 0))
  for (let n = 0; n < 10; n++) assert.equal(await reasonOf(() => logIn(login, member, 'ann', 'wrong')), 'authFailed')
  assert.equal(await reasonOf(() => logIn(login, member, 'ann', 'secret')), 'tooManyRequests')
  assert.equal(passwords.asked.length, 10)
})

// --- hashing ---

test('passwords are hashed in a thread of their own, salted, and compared', { timeout: 60_000 }, async () => {
  const passwords = new Passwords(4)
  try {
    const [one, two] = await Promise.all([passwords.hash('pass\0word'), passwords.hash('pass\0word')])
    assert.notEqual(one, two)
    assert.match(one, /^\$2[aby]\$04\$/)
    assert.equal(await passwords.matches('pass\0word', one), true)
    assert.equal(await passwords.matches('pass', one), false)
    assert.equal(await passwords.matches('pass\0word', null), false)
    const long = await passwords.hash('x'.repeat(72))
    assert.equal(await passwords.matches('x'.repeat(73), long), false, 'what bcrypt does not look at is not right')
    assert.equal(await passwords.matches('', null), false)
  } finally {
    await passwords.close()
  }
})

test('a flood of logins has an end', { timeout: 60_000 }, async () => {
  const passwords = new Passwords(4)
  const all = Array.from({ length: limits.passwordsWaitingMax }, () => passwords.matches('a', null))
  assert.equal(passwords.isBusy, true)
  await Promise.all(all)
  assert.equal(passwords.isBusy, false)
  const lost = passwords.hash('x')
  await passwords.close()
  await assert.rejects(lost)
  assert.match(await passwords.hash('x'), /^\$2/)
  await passwords.close()
})
