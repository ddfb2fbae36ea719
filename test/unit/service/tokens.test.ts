import assert from 'node:assert/strict'
import { after, describe, mock, test } from 'node:test'
import type { RuleChange } from '../../../src/auth/change.ts'
import { known } from '../../../src/auth/operation.ts'
import { getSettings } from '../../../src/auth/records.ts'
import { limits } from '../../../src/base/limits.ts'
import { silentLog } from '../../../src/base/log.ts'
import { EtcdError } from '../../../src/errors.ts'
import { accessOf } from '../../../src/service/access.ts'
import type { Call, Credentials } from '../../../src/service/call.ts'
import { range } from '../../../src/service/kv.ts'
import { liveCallsOf } from '../../../src/service/live-calls.ts'
import type { NewToken, TokenKeys } from '../../../src/service/signed-tokens.ts'
import { StatusError } from '../../../src/service/status-error.ts'
import { tokenRevoke } from '../../../src/service/token-revocation.ts'
import { tokenIssue, tokenKeys, whoAmI } from '../../../src/service/tokens.ts'
import { createWatchService } from '../../../src/service/watch.ts'
import { TokenAuthority } from '../../../src/tokens/token-authority.ts'
import {
  type ScopeEntry,
  TokenIssueRequest,
  TokenIssueResponse,
  TokenKeysRequest,
  TokenKeysResponse,
  TokenRevokeRequest,
  WhoAmIRequest,
  WhoAmIResponse,
} from '../../../src/wire/gen/leasehold.ts'
import { RangeRequest } from '../../../src/wire/gen/rpc.ts'
import { AuthMember } from '../../support/auth-member.ts'
import { addUser, disable, enable, grantRole, userWith, withRoot } from '../../support/auth-tables.ts'
import { bytes, rangeRequest } from '../../support/commands.ts'
import { fakeCall, noCredentials } from '../../support/fake-call.ts'
import { LateMember } from '../../support/late-member.ts'
import { forge, keyFolder, makeKey, pemOf, setText } from '../../support/token-keys.ts'
import { waitFor } from '../../support/wait-for.ts'
import { within } from '../../support/within.ts'
import { FakeStream, ManualTimers } from './watch-harness.ts'

const write = keyFolder(after)
const [key, outsideKey] = await Promise.all([makeKey(), makeKey('ES256')])
const outsideIssuer = 'https://issuer.example'
const audience = 'cluster'
const lifetimeMsMax = 900_000

const authority = await TokenAuthority.open(
  {
    own: { signingKeyFile: write('key.pem', pemOf(key)), keysFile: null, issuer: 'leasehold', audience, lifetimeMsMax },
    outside: {
      issuer: outsideIssuer,
      audience,
      keys: { kind: 'file', file: write('outside.json', setText(outsideKey)) },
      nameClaim: 'sub',
      groupsClaim: 'groups',
      groupsPrefix: 'oidc:',
    },
  },
  audience,
  silentLog,
)
after(() => authority.close())

const users: readonly RuleChange[] = [
  ...withRoot,
  ...userWith('ann', 'readwrite a,c'),
  addUser('bob'),
  grantRole('bob', 'ann'),
  enable,
]

/** Counts what is verified. */
class CountedKeys implements TokenKeys {
  verified = 0
  generation = 0
  readonly lifetimeMsMax = lifetimeMsMax
  isTrusted = true
  readonly listeners = new Set<() => void>()
  onChange(listener: () => void) {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
  /** A key comes, or that of all tokens goes. */
  change(isTrusted: boolean): void {
    this.generation++
    this.isTrusted = isTrusted
    for (const listener of this.listeners) listener()
  }
  trusts = () => this.isTrusted
  claims = (token: string) => authority.claims(token)
  sign = (token: NewToken) => authority.sign(token)
  published = () => authority.published()
  verify(token: string) {
    this.verified++
    return authority.verify(token)
  }
}

async function setUp(changes = users) {
  const member = new LateMember()
  await member.change(...changes)
  const keys = new CountedKeys()
  accessOf(member).useKeys(keys)
  const get = (keyText: string, range_end = ''): Uint8Array =>
    RangeRequest.encode(rangeRequest({ key: bytes(keyText), range_end: bytes(range_end), serializable: true })).finish()
  /** As the transport does it: waits until the token is known, then serves. */
  const as = async (shown: Partial<Credentials>): Promise<Call> => {
    const call = fakeCall({ ...noCredentials, ...shown })
    await accessOf(member).whenTokenIsKnown(call)
    return call
  }
  const reasonOf = async (work: () => unknown): Promise<string | null> => {
    try {
      await work()
      return null
    } catch (error) {
      if (error instanceof EtcdError) return error.reason
      assert.ok(error instanceof StatusError, String(error))
      return error.message
    }
  }
  const mayGet = async (shown: Partial<Credentials> | string, keyText = 'a', end = ''): Promise<string | null> => {
    const call = await as(typeof shown === 'string' ? { token: shown } : shown)
    return reasonOf(() => range(member, get(keyText, end), call))
  }
  const issue = async (shown: Partial<Credentials>, request: Partial<TokenIssueRequest> = {}) => {
    const encoded = TokenIssueRequest.encode({ ...TokenIssueRequest.decode(new Uint8Array(0)), ...request }).finish()
    return TokenIssueResponse.decode(await tokenIssue(member, encoded, await as(shown)))
  }
  const issued = async (shown: Partial<Credentials>, request: Partial<TokenIssueRequest> = {}): Promise<string> =>
    (await issue(shown, request)).token
  const revoke = async (shown: Partial<Credentials>, request: Partial<TokenRevokeRequest> = {}) => {
    const encoded = TokenRevokeRequest.encode({ id: '', user: '', expires_ms: 0n, ...request }).finish()
    return reasonOf(async () => tokenRevoke(member, encoded, await as(shown)))
  }
  const who = async (shown: Partial<Credentials>) =>
    WhoAmIResponse.decode(whoAmI(member, WhoAmIRequest.encode({}).finish(), await as(shown)))
  return { member, keys, as, reasonOf, mayGet, issue, issued, revoke, who }
}

const ann = { certificateName: 'ann' }
const root = { certificateName: 'root' }
const reads = (start: string, end = ''): ScopeEntry => ({ verbs: ['read'], key: bytes(start), range_end: bytes(end) })
const thumbprint = (letter: string): string => letter.repeat(43)

const now = () => Date.now() / 1000
const outside = (over: object = {}): string =>
  forge(
    outsideKey,
    { alg: 'ES256', kid: outsideKey.verification.id },
    {
      iss: outsideIssuer,
      aud: audience,
      sub: 'olga',
      iat: now(),
      exp: now() + 3600,
      jti: 'o1',
      groups: ['dev'],
      ...over,
    },
  )
const offline = (over: object = {}): string =>
  forge(
    key,
    { alg: 'EdDSA', kid: key.verification.id },
    { iss: 'leasehold', aud: audience, sub: 'ann', iat: now(), exp: now() + 60, jti: 'offline', ...over },
  )
const devMayWhatAnnMay: RuleChange = {
  $case: 'apply_policy',
  value: {
    expected_revision: 0n,
    ...{ put_roles: [], delete_roles: [], put_users: [], delete_users: [], delete_groups: [] },
    put_groups: [{ name: 'oidc:dev', roles: ['ann'] }],
    now_ms: 1n,
  },
}
const onRevisionOf = ({ view }: AuthMember, change: RuleChange): RuleChange => {
  const { revision } = getSettings(view)
  return { ...change, value: { ...change.value, expected_revision: revision } } as RuleChange
}

describe('a token of one’s own', () => {
  test('does what its user may, is verified once, and leaves nothing in the log', async () => {
    const { member, keys, issue, mayGet } = await setUp()
    const before = member.proposed.length
    const { token, expires_ms } = await issue(ann)
    assert.ok(
      Number(expires_ms) <= Date.now() + lifetimeMsMax && Number(expires_ms) > Date.now() + lifetimeMsMax - 5000,
    )
    for (let n = 0; n < 3; n++) assert.equal(await mayGet(token), null)
    assert.equal(await mayGet(token, 'x'), 'permissionDenied')
    assert.equal(keys.verified, 1)
    assert.equal(member.proposed.length, before)
  })

  test('is narrowed to a scope, and cannot be widened again', async () => {
    const { issued, mayGet, reasonOf } = await setUp()
    const narrow = await issued(ann, { scope: [reads('a')] })
    assert.equal(await mayGet(narrow, 'a'), null)
    assert.equal(await mayGet(narrow, 'b'), 'permissionDenied')
    assert.equal(await mayGet(narrow, 'a', 'c'), 'permissionDenied')
    const child = await issued({ token: narrow })
    assert.equal(await mayGet(child, 'a'), null)
    assert.equal(await mayGet(child, 'b'), 'permissionDenied')
    for (const scope of [
      [reads('b')],
      [reads('a', 'c')],
      [{ ...reads('a'), verbs: ['read', 'write'] }],
      [{ ...reads('', ''), verbs: ['admin'] }],
    ]) {
      assert.equal(await reasonOf(() => issued({ token: narrow }, { scope })), 'permissionDenied')
    }
  })

  test('may name more than its user has, which gives nothing', async () => {
    const { issued, mayGet } = await setUp()
    assert.equal(await mayGet(await issued(ann, { scope: [reads('\0', '\0')] }), 'x'), 'permissionDenied')
  })

  test('is refused with what is wrong about a scope', async () => {
    const { issued, reasonOf } = await setUp()
    for (const [entry, want] of [
      [{ ...reads('a'), verbs: ['own'] }, /no such verb/],
      [{ ...reads('a'), verbs: [] }, /needs verbs/],
      [{ ...reads('a'), verbs: ['lease'] }, /only read and write have a range/],
      [{ ...reads(''), verbs: ['read'] }, /need a range/],
      // What no claim can say.
      [reads('', 'b'), /from is empty/],
      [reads('b', 'a'), /no key in it/],
    ] as const)
      assert.match((await reasonOf(() => issued(ann, { scope: [{ ...entry, verbs: [...entry.verbs] }] })))!, want)
    assert.match((await reasonOf(() => issued(ann, { scope: Array(65).fill(reads('a')) })))!, /at most 64/)
    const long = reads(`a${'x'.repeat(500)}`)
    assert.match((await reasonOf(() => issued(ann, { scope: Array(20).fill(long) })))!, /longer than any/)
  })

  test('ends no later than the certificate that it was given for', async () => {
    const { issue } = await setUp()
    const certificateExpiresMs = Date.now() + 30_000
    for (const [shown, request] of [
      [{ ...ann, certificateExpiresMs }, {}],
      [{ ...ann, certificateExpiresMs }, { ttl_seconds: 60n }],
      [{ ...root, certificateExpiresMs }, { user: 'ann' }],
    ] as const)
      assert.equal(Number((await issue(shown, request)).expires_ms), Math.floor(certificateExpiresMs / 1000) * 1000)
    // A token counts before the certificate on which it comes.
    const { token } = await issue(ann, {})
    assert.ok(Number((await issue({ token, certificateExpiresMs })).expires_ms) > certificateExpiresMs)
  })

  test('ends no later than the one that it was made of', async () => {
    const { issue } = await setUp()
    const parent = await issue(ann, { ttl_seconds: 10n })
    const child = await issue({ token: parent.token }, { ttl_seconds: 600n })
    assert.ok(Number(parent.expires_ms) <= Date.now() + 10_000)
    assert.ok(child.expires_ms <= parent.expires_ms)
    const long = await issue(ann, { ttl_seconds: 2n ** 63n })
    assert.ok(Number(long.expires_ms) <= Date.now() + lifetimeMsMax)
  })

  test('comes of no more than so many others', async () => {
    const { issued, reasonOf } = await setUp()
    let token = await issued(ann)
    for (let depth = 0; depth < limits.tokenAncestorsMax; depth++) token = await issued({ token })
    assert.match((await reasonOf(() => issued({ token })))!, /too far/)
  })

  test('is nobody’s for strangers, with auth off, and for those whom nobody knows', async () => {
    const { member, issued, reasonOf } = await setUp()
    assert.equal(await reasonOf(() => issued({})), 'userEmpty')
    assert.equal(await reasonOf(() => issued({ certificateName: 'eve' })), 'permissionDenied')
    assert.equal(await reasonOf(() => issued({ token: 'rubbish' })), 'invalidAuthToken')
    await member.change(disable)
    assert.equal(await reasonOf(() => issued(ann)), 'authNotEnabled')
  })

  test('comes of a login’s token, too', async () => {
    const { member, issued, mayGet } = await setUp()
    const token = await issued({ token: await member.token('ann') }, { scope: [reads('a')] })
    assert.deepEqual([await mayGet(token, 'a'), await mayGet(token, 'b')], [null, 'permissionDenied'])
  })
})

describe('a token for somebody else', () => {
  test('is for root to make, and for admins by a token', async () => {
    const { issued, mayGet, reasonOf } = await setUp()
    assert.equal(await mayGet(await issued(root, { user: 'ann', scope: [reads('b')] }), 'b'), null)
    assert.equal(await reasonOf(() => issued(ann, { user: 'bob' })), 'permissionDenied')
    assert.equal(await reasonOf(() => issued(root, { user: 'eve' })), 'userNotFound')
    const narrow = await issued(root, { scope: [reads('a')] })
    assert.equal(await reasonOf(() => issued({ token: narrow }, { user: 'ann' })), 'permissionDenied')
    const admin = await issued(root, { scope: [{ verbs: ['admin'], key: bytes(''), range_end: bytes('') }] })
    assert.equal(await mayGet(await issued({ token: admin }, { user: 'ann' })), null)
  })

  test('goes with the one of root that made it', async () => {
    const { issued, mayGet, revoke } = await setUp()
    const admin = await issued(root)
    const token = await issued({ token: admin }, { user: 'ann' })
    assert.equal(await revoke({ token: admin }), null)
    assert.equal(await mayGet(token), 'invalidAuthToken')
  })
})

describe('a token that is bound', () => {
  const mine = { ...ann, certificateSha256: thumbprint('A') }
  const other = { certificateName: 'bob', certificateSha256: thumbprint('I') }

  test('is good with its certificate only', async () => {
    const { issued, mayGet } = await setUp()
    const token = await issued(mine, { bind_to_certificate: true })
    assert.equal(await mayGet({ token, certificateSha256: thumbprint('A') }), null)
    assert.equal(await mayGet({ ...other, token }), 'invalidAuthToken')
    assert.equal(await mayGet({ token }), 'invalidAuthToken')
    // It was not forgotten, nor did somebody's trying make it anyone's.
    assert.equal(await mayGet({ token, certificateSha256: thumbprint('A') }), null)
  })

  test('makes bound ones', async () => {
    const { issued, mayGet, reasonOf } = await setUp()
    const token = await issued(mine, { bind_to_certificate: true })
    const child = await issued({ ...mine, token })
    assert.equal(await mayGet({ ...mine, token: child }), null)
    assert.equal(await mayGet({ ...other, token: child }), 'invalidAuthToken')
    assert.equal(
      await reasonOf(() => issued({ ...mine, token }, { certificate_sha256: thumbprint('I') })),
      'permissionDenied',
    )
    assert.equal(await reasonOf(() => issued({ ...other, token })), 'invalidAuthToken')
  })

  test('may be bound to a certificate elsewhere', async () => {
    const { issued, mayGet, reasonOf } = await setUp()
    const token = await issued(ann, { certificate_sha256: thumbprint('I') })
    assert.equal(await mayGet({ ...other, token }), null)
    assert.equal(await mayGet({ ...mine, token }), 'invalidAuthToken')
    assert.match((await reasonOf(() => issued(ann, { certificate_sha256: 'abc' })))!, /base64url/)
    assert.match((await reasonOf(() => issued(ann, { bind_to_certificate: true })))!, /no client certificate/)
  })
})

describe('a token ends', () => {
  test('with its time, though it is known', async () => {
    const { issue, mayGet } = await setUp()
    const { token, expires_ms } = await issue(ann, { ttl_seconds: 5n })
    assert.equal(await mayGet(token), null)
    mock.timers.enable({ apis: ['Date'], now: Number(expires_ms) - 1 })
    try {
      assert.equal(await mayGet(token), null)
      mock.timers.setTime(Number(expires_ms))
      assert.equal(await mayGet(token), 'invalidAuthToken')
    } finally {
      mock.timers.reset()
    }
  })

  test('with its user, its password, and auth', async () => {
    const { member, issued, mayGet } = await setUp()
    const token = await issued(ann)
    await member.change(addUser('eve'))
    assert.equal(await mayGet(token), null, 'a change that concerns somebody else')
    await member.change({ $case: 'change_password', value: { name: 'ann', password_hash: 'x', now_ms: 1n } })
    assert.equal(await mayGet(token), 'invalidAuthToken')
    const second = await issued(ann)
    await member.change(disable, enable)
    assert.equal(await mayGet(second), 'invalidAuthToken')
    const third = await issued(ann)
    await member.change({ $case: 'delete_user', value: { name: 'ann' } })
    assert.equal(await mayGet(third), 'invalidAuthToken')
    await member.change(addUser('ann'), grantRole('ann', 'ann'))
    assert.equal(await mayGet(third), 'invalidAuthToken', 'somebody else of that name')
  })

  test('made by a key at hand: with what was done to its user after its issue', async () => {
    const { member, mayGet } = await setUp()
    const earlier = offline()
    assert.equal(await mayGet(earlier), null)
    await member.change({
      $case: 'change_password',
      value: { name: 'ann', password_hash: 'x', now_ms: BigInt(Date.now() + 1) },
    })
    assert.equal(await mayGet(earlier), 'invalidAuthToken')
    assert.equal(await mayGet(offline({ iat: now() + 0.01 })), null)
    assert.equal(await mayGet(offline({ sub: 'nobody' })), 'invalidAuthToken')
  })

  test('made by a key at hand, or elsewhere: when auth is switched off', async () => {
    const disableAt = (now_ms: number): RuleChange => ({ $case: 'disable', value: { now_ms: BigInt(now_ms) } })
    for (const make of [offline, outside]) {
      const { member, mayGet } = await setUp()
      await member.change(onRevisionOf(member, devMayWhatAnnMay))
      const earlier = make({ iat: now() - 1 })
      assert.equal(await mayGet(earlier), null)
      const issuedMs = Date.now()
      await member.change(disableAt(issuedMs), enable)
      assert.equal(await mayGet(earlier), 'invalidAuthToken')
      const later = make({ iat: issuedMs / 1000 + 1 })
      assert.equal(await mayGet(later), null)
      await member.change(disableAt(1), enable)
      assert.equal(await mayGet(earlier), 'invalidAuthToken', 'by a clock that goes after')
      assert.equal(await mayGet(later), null)
    }
  })

  test('when whoever has it says so, and with all that was made of it', async () => {
    const { issued, mayGet, revoke } = await setUp()
    const parent = await issued(ann)
    const [child, sibling] = [await issued({ token: parent }), await issued(ann)]
    const grandchild = await issued({ token: child }, { scope: [reads('a')] })
    for (const token of [parent, child, grandchild, sibling]) assert.equal(await mayGet(token), null)
    assert.equal(await revoke({ token: child }), null)
    assert.deepEqual(
      [await mayGet(parent), await mayGet(child), await mayGet(grandchild), await mayGet(sibling)],
      [null, 'invalidAuthToken', 'invalidAuthToken', null],
    )
    assert.equal(await revoke({ token: child }), 'invalidAuthToken')
  })

  test('by its id, for root; or all of a user', async () => {
    const { issue, issued, mayGet, revoke } = await setUp()
    const [first, second, ofBob] = [await issue(ann), await issued(ann), await issued({ certificateName: 'bob' })]
    assert.equal(await revoke(ann, { id: first.id }), 'permissionDenied')
    assert.equal(await revoke(root, { id: first.id }), null)
    assert.deepEqual([await mayGet(first.token), await mayGet(second)], ['invalidAuthToken', null])
    assert.equal(await revoke(ann, { user: 'ann' }), 'permissionDenied')
    assert.equal(await revoke(root, { user: 'eve' }), 'userNotFound')
    assert.equal(await revoke(root, { user: 'ann' }), null)
    assert.deepEqual([await mayGet(second), await mayGet(ofBob)], ['invalidAuthToken', null])
    assert.equal(await mayGet(await issued(ann)), null)
  })

  test('all of a user: not what root has made for others, which ends by its own id and that of what it was made of', async () => {
    const { issue, issued, mayGet, revoke } = await setUp()
    const ofRoot = await issue(root)
    const forAnn = await issued({ token: ofRoot.token }, { user: 'ann' })
    assert.equal(await revoke(root, { user: 'root' }), null)
    assert.deepEqual([await mayGet(ofRoot.token), await mayGet(forAnn)], ['invalidAuthToken', null])
    assert.equal(await revoke(root, { id: ofRoot.id }), null)
    assert.equal(await mayGet(forAnn), 'invalidAuthToken')
  })

  test('all of a user: those of clocks that go ahead, too', async () => {
    const { mayGet, revoke } = await setUp()
    const token = offline({ iat: now() + 2, exp: now() + 60 })
    assert.equal(await mayGet(token), null)
    assert.equal(await revoke(root, { user: 'ann' }), null)
    assert.equal(await mayGet(token), 'invalidAuthToken')
  })

  test('by the rules that are in force, however late this member hears of them', async () => {
    const { member, revoke } = await setUp()
    member.fallBehind()
    await member.change(disable)
    assert.equal(await revoke(root, { user: 'ann' }), 'authNotEnabled')
  })

  test('not by those who have none, or ask for two things', async () => {
    const { member, issue, revoke } = await setUp()
    assert.match((await revoke(ann))!, /no token that can be revoked/)
    assert.match((await revoke({ token: await member.token('ann') }))!, /no token that can be revoked/)
    assert.match((await revoke(root, { id: 'x', user: 'ann' }))!, /one, or those of a user/)
    assert.match((await revoke(root, { id: (await issue(ann)).id, expires_ms: 1n }))!, /in the past/)
    assert.equal(await revoke({}, { id: 'x' }), 'userEmpty')
  })

  test('when its key goes, and not when another comes', async () => {
    const { keys, as, issued, mayGet, reasonOf, member } = await setUp()
    const token = await issued(ann)
    // A stream that goes on shows its token once, and is judged by it each time it asks for something.
    const call = await as({ token })
    keys.generation++
    assert.equal(
      await reasonOf(() => range(member, RangeRequest.encode(rangeRequest({ key: bytes('a') })).finish(), call)),
      null,
    )
    assert.equal(keys.verified, 1)
    keys.generation++
    keys.isTrusted = false
    assert.equal(await mayGet(token), 'invalidAuthToken')
    assert.equal(await mayGet(token), 'invalidAuthToken')
  })
})

describe('a token of an issuer elsewhere', () => {
  test('may what its groups may, and nothing while they are nobody’s', async () => {
    const { member, mayGet, who } = await setUp()
    const token = outside()
    assert.equal(await mayGet(token), 'permissionDenied')
    await member.change(onRevisionOf(member, devMayWhatAnnMay))
    assert.equal(await mayGet(token), null)
    assert.equal(await mayGet(token, 'x'), 'permissionDenied')
    assert.equal(await mayGet(outside({ groups: ['ops'] })), 'permissionDenied')
    const { user, groups, roles, token_id } = await who({ token })
    assert.deepEqual([user, groups, roles, token_id], ['olga', ['oidc:dev'], ['ann'], `${outsideIssuer} o1`])
  })

  test('is nobody’s of that name here', async () => {
    const { mayGet } = await setUp()
    assert.equal(await mayGet(outside({ sub: 'ann' })), 'permissionDenied')
    assert.equal(await mayGet(outside({ sub: 'root', groups: [] })), 'permissionDenied')
  })

  test('can be narrowed, and ends by its id with all that was made of it', async () => {
    const { member, issued, mayGet, revoke, reasonOf } = await setUp()
    await member.change(onRevisionOf(member, devMayWhatAnnMay))
    const token = outside()
    const child = await issued({ token }, { scope: [reads('a')] })
    assert.deepEqual([await mayGet(child, 'a'), await mayGet(child, 'b')], [null, 'permissionDenied'])
    assert.equal(await reasonOf(() => issued({ token: child }, { scope: [reads('b')] })), 'permissionDenied')
    assert.equal(await revoke(root, { id: `${outsideIssuer} o1` }), null)
    assert.deepEqual([await mayGet(token), await mayGet(child)], ['invalidAuthToken', 'invalidAuthToken'])
    assert.equal(await mayGet(outside({ jti: 'o2' })), null)
  })
})

describe('what is remembered', () => {
  test('bad tokens push out no good ones', async () => {
    const { keys, issued, mayGet } = await setUp()
    const token = await issued(ann)
    await mayGet(token)
    for (let n = 0; n < 50; n++)
      assert.equal(await mayGet(`${offline({ jti: `${n}` }).slice(0, -4)}AAAA`), 'invalidAuthToken')
    const { verified } = keys
    await mayGet(token)
    assert.equal(keys.verified, verified)
  })

  test('calls that come with one token at the same time have it verified once', async () => {
    const { keys, mayGet, issued } = await setUp()
    const token = await issued(ann)
    const { verified } = keys
    assert.deepEqual(await Promise.all(Array.from({ length: 20 }, () => mayGet(token))), Array(20).fill(null))
    assert.equal(keys.verified, verified + 1)
  })

  test('so many wait to be verified, and no more', async () => {
    const { as, reasonOf, mayGet, issued } = await setUp()
    const token = await issued(ann)
    await mayGet(token)
    const flood = (shown: Partial<Credentials>) =>
      Array.from({ length: limits.tokensVerifyingPerSourceMax }, () =>
        as({ ...shown, token: offline({ jti: `${Math.random()}` }) }),
      )
    const waiting = flood({ address: '2001:db8::1' })
    // A host has as many addresses of its network as it likes.
    assert.equal(await reasonOf(() => as({ token: offline(), address: '2001:db8::2' })), 'tooManyRequests')
    for (let n = 1; n < limits.tokensVerifyingMax / limits.tokensVerifyingPerSourceMax; n++) {
      waiting.push(...flood({ address: '2001:db8::1', certificateSha256: thumbprint('ABCDE'[n]!) }))
    }
    assert.equal(await reasonOf(() => as({ token: offline(), address: '192.0.2.1' })), 'tooManyRequests')
    // Who is known is not in their way.
    assert.equal(await mayGet(token), null)
    await Promise.all(waiting)
    assert.equal(await mayGet(offline()), null)
  })
})

describe('watches', () => {
  const gone = '#0 @1 canceled "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token"'

  async function watching(request: Partial<TokenIssueRequest>) {
    const made = await setUp()
    const { token, expires_ms } = await made.issue(ann, request)
    const timers = new ManualTimers()
    const stream = new FakeStream()
    const call = await made.as({ token })
    createWatchService(made.member, { log: silentLog, timers, bounds: { queueBytesMax: 200 } }).serve(stream, call)
    stream.create('a')
    timers.settle()
    assert.deepEqual(stream.lines(), ['#0 @1 created'])
    return { ...made, token, expiresMs: Number(expires_ms), timers, stream }
  }

  test('end when the token does that they were begun with, though nothing happens', async () => {
    const { stream, timers, expiresMs } = await watching({ ttl_seconds: 60n })
    mock.timers.enable({ apis: ['Date'], now: expiresMs - 1 })
    try {
      timers.advance(60_000)
      assert.deepEqual(stream.lines(), [], 'the clock on the wall goes after')
      mock.timers.setTime(expiresMs)
      timers.advance(1)
      assert.deepEqual(stream.lines(), [gone])
      stream.create('b')
      const said = await waitFor('the next one is answered', () => stream.lines().join() || null)
      assert.match(said, /#-1 @1 created canceled "rpc error: code = Unauthenticated/)
    } finally {
      mock.timers.reset()
    }
  })

  test('end when it is revoked', async () => {
    const { stream, timers, token, revoke } = await watching({})
    assert.equal(await revoke({ token }), null)
    timers.settle()
    assert.deepEqual(stream.lines(), [gone])
  })

  test('end when the key of the token goes, not when another comes', async () => {
    const { stream, timers, keys } = await watching({})
    keys.change(true)
    timers.settle()
    assert.deepEqual(stream.lines(), [])
    keys.change(false)
    assert.deepEqual(stream.lines(), [gone])
  })

  test('can be added when the thread has forgotten the token, if it is still good', async () => {
    const { stream, timers, mayGet, token, revoke } = await watching({})
    const create = (key: string): Promise<string> => {
      stream.create(key)
      timers.settle()
      return waitFor('it is answered', () => stream.lines().join() || null)
    }
    const long = (jti: string): string => offline({ jti, x: 'x'.repeat(5700) })
    const count = limits.signedTokensRememberedBytesMax / (4 * long('n').length)
    for (let n = 0; n < count; n++) assert.equal(await mayGet(long(`n${n}`)), null)
    assert.equal(await create('b'), '#1 @1 created')
    assert.match(await create('x'), /created canceled .*permission denied/)
    assert.equal(await revoke({ token }), null)
    timers.settle()
    assert.deepEqual(stream.lines(), [gone, gone.replace('#0', '#1')])
    for (let n = 0; n < count; n++) await mayGet(long(`m${n}`))
    assert.match(await create('a'), /created canceled .*invalid auth token/)
  })

  test('leave no timer behind, and listen to nothing', async () => {
    const { stream, timers, keys } = await watching({})
    stream.disconnect()
    assert.equal(keys.listeners.size, 0)
    assert.equal(timers.pending, 0)
  })
})

describe('calls that wait', () => {
  for (const { name, over } of [
    { name: 'end when the token does that they were begun with', over: async () => null },
    {
      name: 'end when it is revoked',
      over: async (revoke: (shown: Partial<Credentials>) => Promise<string | null>, token: string) => revoke({ token }),
    },
    {
      name: 'end when the key of the token goes',
      over: async (_: unknown, __: string, keys: CountedKeys) => {
        keys.change(true)
        keys.change(false)
        return null
      },
    },
  ])
    test(name, async () => {
      const { member, keys, as, issued, revoke } = await setUp()
      const token = await issued(ann, { ttl_seconds: 2n })
      const ended = Promise.withResolvers<EtcdError>()
      const held = liveCallsOf(member).hold(await as({ token }), () => known, ended.resolve)
      assert.equal(await over(revoke, token, keys), null)
      assert.equal((await within('the call ends', ended.promise)).reason, 'invalidAuthToken')
      held.release()
      assert.equal(liveCallsOf(member).size, 0)
    })
})

test('who asks learns who that is', async () => {
  const { member, issue, who } = await setUp()
  const { token, id, expires_ms } = await issue(ann, { scope: [reads('a', 'c'), { ...reads(''), verbs: ['lease'] }] })
  const said = await who({ token, certificateName: 'proxy' })
  assert.deepEqual(
    {
      ...said,
      header: null,
      scope: said.scope.map(
        ({ verbs, key: start, range_end }) => `${verbs} ${Buffer.from(start)} ${Buffer.from(range_end)}`,
      ),
    },
    {
      header: null,
      ...{ user: 'ann', groups: [], roles: ['ann'], is_scoped: true, scope: ['read a c', 'lease  '] },
      ...{ token_id: id, expires_ms, certificate_name: 'proxy' },
    },
  )
  assert.equal((await who(ann)).is_scoped, false)
  await member.change(disable)
  assert.equal((await who(ann)).user, '')
})

test('everybody may have the public keys', () => {
  const member = new AuthMember()
  const ask = () => TokenKeysResponse.decode(tokenKeys(member, TokenKeysRequest.encode({}).finish())).jwks
  assert.equal(ask(), '{"keys":[]}')
  accessOf(member).useKeys(authority)
  assert.equal(ask(), setText(key))
})
