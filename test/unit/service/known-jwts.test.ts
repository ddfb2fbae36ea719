import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../src/base/limits.ts'
import { silentLog } from '../../../src/base/log.ts'
import { EtcdError } from '../../../src/errors.ts'
import { accessOf } from '../../../src/service/access.ts'
import type { Call } from '../../../src/service/call.ts'
import type { JwtClaims, JwtKeys } from '../../../src/service/known-jwts.ts'
import { range } from '../../../src/service/kv.ts'
import { Login, type PasswordHasher } from '../../../src/service/login.ts'
import { LoginGuard } from '../../../src/service/login-guard.ts'
import { AuthenticateRequest, AuthenticateResponse, RangeRequest } from '../../../src/wire/gen/rpc.ts'
import { AuthMember } from '../../support/auth-member.ts'
import { addUser, disable, enable, userWith, withRoot } from '../../support/auth-tables.ts'
import { bytes, rangeRequest } from '../../support/commands.ts'
import { fakeCall, liveCall, noCredentials } from '../../support/fake-call.ts'

/** Tokens that say plainly what they say. */
class PlainKeys implements JwtKeys {
  verified = 0
  ttlMs = 60_000
  canSign = true
  async sign(username: string, revision: number): Promise<string | null> {
    if (!this.canSign) return null
    return JSON.stringify({ username, revision, expiresMs: Date.now() + this.ttlMs } satisfies JwtClaims)
  }
  async verify(token: string): Promise<JwtClaims | null> {
    this.verified++
    return token.startsWith('{') ? (JSON.parse(token) as JwtClaims) : null
  }
}
const passwords: PasswordHasher = {
  isBusy: false,
  hash: async (password) => password,
  matches: async (password, hash) => password === hash,
}

async function setUp() {
  const member = new AuthMember()
  await member.change(...withRoot, ...userWith('ann', 'read k'), enable)
  const keys = new PlainKeys()
  accessOf(member).useJwt(keys)
  const login = new Login(passwords, silentLog, new LoginGuard(), keys)
  const logIn = async (): Promise<string> => {
    const request = AuthenticateRequest.encode({ name: 'ann', password: 'hash' }).finish()
    return AuthenticateResponse.decode(await login.authenticate(member, request, liveCall)).token
  }
  const get = RangeRequest.encode(rangeRequest({ key: bytes('k'), serializable: true })).finish()
  /** As the transport does it. */
  const reason = async (token: string): Promise<string | null> => {
    const call: Call = fakeCall({ ...noCredentials, token })
    await accessOf(member).whenTokenIsKnown(call)
    try {
      await range(member, get, call)
      return null
    } catch (error) {
      assert.ok(error instanceof EtcdError, String(error))
      return error.reason
    }
  }
  return { member, keys, logIn, reason }
}

test('a login gives a signed token, which is verified once and leaves nothing in the log', async () => {
  const { member, keys, logIn, reason } = await setUp()
  const before = member.proposed.length
  const token = await logIn()
  for (let n = 0; n < 3; n++) assert.equal(await reason(token), null)
  assert.equal(keys.verified, 1)
  assert.equal(member.proposed.length, before)
})

test('it dies with its time, its password, its user, and when auth is switched off', async () => {
  const { member, keys, logIn, reason } = await setUp()
  const token = await logIn()
  assert.equal(await reason(token), null)
  await member.change(addUser('bob'))
  assert.equal(await reason(token), null, 'a change that concerns somebody else')
  await member.change({ $case: 'change_password', value: { name: 'ann', password_hash: 'hash', now_ms: 1n } })
  assert.equal(await reason(token), 'invalidAuthToken')
  const second = await logIn()
  assert.equal(await reason(second), null)
  await member.change(disable, enable)
  assert.equal(await reason(second), 'invalidAuthToken')
  const third = await logIn()
  await member.change({ $case: 'delete_user', value: { name: 'ann' } }, addUser('ann'))
  assert.equal(await reason(third), 'invalidAuthToken')
  keys.ttlMs = -1
  assert.equal(await reason(await logIn()), 'invalidAuthToken')
  assert.equal(await reason('rubbish'), 'invalidAuthToken')
})

test('a token from elsewhere needs a user of its name, and nobody is asked while auth is off', async () => {
  const { member, keys, reason } = await setUp()
  const expiresMs = Date.now() + 1000
  assert.equal(await reason(JSON.stringify({ username: 'nobody', revision: 99, expiresMs })), 'invalidAuthToken')
  assert.equal(await reason(JSON.stringify({ username: 'ann', revision: 1, expiresMs })), 'invalidAuthToken')
  assert.equal(await reason(JSON.stringify({ username: 'ann', revision: 99, expiresMs })), null)
  await member.change(disable)
  const before = keys.verified
  assert.equal(await reason('rubbish'), null)
  assert.equal(keys.verified, before)
})

test('without a key to sign with nobody can log in', async () => {
  const { keys, logIn } = await setUp()
  keys.canSign = false
  await assert.rejects(logIn(), { code: 2, message: 'auth: token signing attempted with verify-only key' })
})

test('a token that many show at once is verified once; so many others wait, and no more', async () => {
  const { member, keys, logIn, reason } = await setUp()
  const token = await logIn()
  const before = keys.verified
  assert.deepEqual(await Promise.all(Array.from({ length: 20 }, () => reason(token))), Array(20).fill(null))
  assert.equal(keys.verified, before + 1)
  const show = (shown: string, address: string) =>
    accessOf(member).whenTokenIsKnown(fakeCall({ ...noCredentials, token: shown, address }))
  const flood = (address: string) =>
    Array.from({ length: limits.tokensVerifyingPerSourceMax }, (_, n) => show(`rubbish ${n} of ${address}`, address))
  const waiting = flood('192.0.2.1')
  assert.throws(() => show('more rubbish', '192.0.2.1'), { reason: 'tooManyRequests' })
  for (let n = 2; n <= limits.tokensVerifyingMax / limits.tokensVerifyingPerSourceMax; n++) {
    waiting.push(...flood(`192.0.2.${n}`))
  }
  assert.throws(() => show('more rubbish', '192.0.2.99'), { reason: 'tooManyRequests' })
  assert.equal(await reason(token), null, 'who is known is not in their way')
  await Promise.all(waiting)
  assert.equal(await reason('more rubbish'), 'invalidAuthToken')
})
