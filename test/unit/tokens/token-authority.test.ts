import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { after, describe, test } from 'node:test'
import { parseScope } from '../../../src/auth/scope.ts'
import { type Log, silentLog } from '../../../src/base/log.ts'
import type { TokensConfig } from '../../../src/config/token-settings.ts'
import type { NewToken } from '../../../src/service/signed-tokens.ts'
import { TokenAuthority } from '../../../src/tokens/token-authority.ts'
import { forge, forgeWithSecret, keyFolder, makeKey, pemOf, setText, unsigned } from '../../support/token-keys.ts'
import { waitFor } from '../../support/wait-for.ts'

const write = keyFolder(after)
const audience = '1f2e'
const issuer = 'leasehold'
const outsideIssuer = 'https://issuer.example'

const [key, other, stranger, outsideKey] = await Promise.all([makeKey(), makeKey('ES256'), makeKey(), makeKey('RS256')])

function configOf(over: Partial<NonNullable<TokensConfig['own']>> = {}): TokensConfig {
  return {
    own: {
      signingKeyFile: write('signing.pem', pemOf(key)),
      keysFile: write('keys.json', setText(key, other), 0o644),
      issuer,
      audience: null,
      lifetimeMsMax: 900_000,
      ...over,
    },
    outside: {
      issuer: outsideIssuer,
      audience: 'leasehold-clients',
      keys: { kind: 'file', file: write('outside.json', setText(outsideKey), 0o644) },
      nameClaim: 'sub',
      groupsClaim: 'groups',
      groupsPrefix: 'oidc:',
    },
  }
}

const open = async (config = configOf(), log: Log = silentLog) => TokenAuthority.open(config, audience, log)
const authority = await open()
after(() => authority.close())

const now = () => Date.now() / 1000
const header = { alg: 'EdDSA', typ: 'at+jwt', kid: key.verification.id }
const claims = () => ({
  iss: issuer,
  aud: audience,
  sub: 'ann',
  jti: 'a-token',
  iat: now(),
  nbf: now(),
  exp: now() + 60,
})
const good = (over: object = {}, head: object = {}) => forge(key, { ...header, ...head }, { ...claims(), ...over })

const newToken: NewToken = {
  name: 'ann',
  groups: null,
  userId: 7,
  revision: 12,
  ancestors: ['grandparent'],
  scope: parseScope([{ verbs: ['read'], prefix: '/app/' }, { verbs: ['lease'] }]),
  certificate: 'A'.repeat(43),
  expiresMs: Math.floor(Date.now() / 1000) * 1000 + 60_000,
}

test('what is signed is verified, and says what it was made of', async () => {
  const signed = await authority.sign(newToken)
  const verified = await authority.verify(signed!.token)
  assert.ok(verified)
  const { scope, notBeforeMs, issuedMs, ...rest } = verified
  const { scope: wanted, ...said } = newToken
  assert.deepEqual(rest, { ...said, id: signed!.id, isOurs: true, key: key.verification.thumbprint })
  assert.ok(authority.trusts(verified))
  assert.ok(!authority.trusts({ ...verified, isOurs: false }))
  assert.deepEqual(scope?.entries, wanted?.entries)
  assert.equal(notBeforeMs, issuedMs)
  assert.ok(Math.abs(issuedMs - Date.now()) < 5000)
})

test('two tokens have two ids', async () => {
  assert.notEqual((await authority.sign(newToken))!.id, (await authority.sign(newToken))!.id)
})

for (const algorithm of ['EdDSA', 'ES256', 'ES384', 'ES512', 'RS256', 'PS256'])
  test(`${algorithm}: signed with a key that has a name of its own, and verified`, async () => {
    const made = await makeKey(algorithm, 'k 1')
    const jwk = { ...made.key.export({ format: 'jwk' }), kid: 'k 1', alg: algorithm }
    const files = {
      signingKeyFile: write(`${algorithm}.jwk`, JSON.stringify(jwk)),
      keysFile: write(`${algorithm}.json`, setText(made, key), 0o644),
    }
    const both = await open(configOf(files))
    try {
      const { token } = (await both.sign(newToken))!
      assert.equal((await both.verify(token))?.name, 'ann')
      assert.equal(await authority.verify(token), null)
    } finally {
      both.close()
    }
  })

describe('taken', () => {
  for (const { name, token } of [
    { name: 'with little in it', token: () => good() },
    { name: 'of the second key', token: () => forge(other, { alg: 'ES256', kid: other.verification.id }, claims()) },
    { name: 'for several audiences', token: () => good({ aud: ['elsewhere', audience] }) },
    { name: 'of type JWT', token: () => good({}, { typ: 'JWT' }) },
    { name: 'of no type', token: () => good({}, { typ: undefined }) },
    {
      name: 'with claims that say nothing here',
      token: () => good({ email: 'a@b', nested: { a: [1, 2, { b: null }] } }),
    },
    {
      name: 'with keys and addresses in its header, which nobody looks at',
      token: () =>
        good({}, { jku: 'https://127.0.0.1:9/keys', x5u: 'https://127.0.0.1:9/chain', jwk: stranger.verification.jwk }),
    },
    { name: 'a moment before it begins, by a clock that goes after', token: () => good({ nbf: now() + 2 }) },
  ])
    test(name, async () => assert.equal((await authority.verify(token()))?.name, 'ann'))
})

describe('refused', () => {
  const deep = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`
  const text = (over: string): string => JSON.stringify(claims()).replace(/\}$/, `,${over}}`)
  const rows: readonly { readonly name: string; readonly token: () => string }[] = [
    { name: 'nothing', token: () => '' },
    { name: 'a word', token: () => 'token' },
    { name: 'dots', token: () => '..' },
    { name: 'a megabyte of dots', token: () => '.'.repeat(1 << 20) },
    { name: 'longer than any', token: () => good({ x: 'x'.repeat(9000) }) },
    { name: 'four parts', token: () => `${good()}.x` },
    { name: 'no signature', token: () => unsigned(header, claims()) },
    { name: 'alg none', token: () => unsigned({ ...header, alg: 'none' }, claims()) },
    { name: 'alg none, with the signature', token: () => good({}, { alg: 'none' }) },
    { name: 'alg None', token: () => unsigned({ ...header, alg: 'None' }, claims()) },
    {
      name: 'HS256 with the public key for the secret',
      token: () =>
        forgeWithSecret(
          String(key.verification.key.export({ format: 'pem', type: 'spki' })),
          { ...header, alg: 'HS256' },
          claims(),
        ),
    },
    {
      name: 'HS256 with the text of the JWK for the secret',
      token: () => forgeWithSecret(JSON.stringify(key.verification.jwk), { ...header, alg: 'HS256' }, claims()),
    },
    { name: 'a key that nobody knows, with a known one’s id', token: () => forge(stranger, header, claims()) },
    {
      name: 'a key that nobody knows, in the header',
      token: () => forge(stranger, { alg: 'EdDSA', jwk: stranger.verification.jwk }, claims()),
    },
    { name: 'an unknown id of a key', token: () => good({}, { kid: 'nobody' }) },
    { name: 'no id of a key', token: () => good({}, { kid: undefined }) },
    { name: 'an object for the id of a key', token: () => good({}, { kid: { toString: 'x' } }) },
    { name: 'a list for the id of a key', token: () => good({}, { kid: [key.verification.id] }) },
    { name: '__proto__ for the id of a key', token: () => good({}, { kid: '__proto__' }) },
    { name: 'another key’s algorithm', token: () => good({}, { alg: 'ES256' }) },
    { name: 'a list for the algorithm', token: () => good({}, { alg: ['EdDSA'] }) },
    { name: 'a header that must be understood', token: () => good({}, { crit: ['exp'], exp: 1 }) },
    { name: 'one that is in RFC 7797', token: () => good({}, { crit: ['b64'], b64: true }) },
    { name: 'an empty list of those', token: () => good({}, { crit: [] }) },
    { name: 'another type', token: () => good({}, { typ: 'dpop+jwt' }) },
    { name: 'a token within a token', token: () => forge(key, { ...header, cty: 'JWT' }, good()) },
    { name: 'a list of claims', token: () => forge(key, header, [claims()]) },
    { name: 'no claims', token: () => forge(key, header, 'null') },
    { name: 'another issuer', token: () => good({ iss: 'leasehold2' }) },
    { name: 'no issuer', token: () => good({ iss: undefined }) },
    { name: 'a list of issuers', token: () => good({ iss: [issuer] }) },
    { name: 'another audience', token: () => good({ aud: '1f2f' }) },
    { name: 'no audience', token: () => good({ aud: undefined }) },
    { name: 'an object for the audience', token: () => good({ aud: { [audience]: true } }) },
    { name: 'expired', token: () => good({ iat: now() - 61, nbf: now() - 61, exp: now() - 1 }) },
    { name: 'no end', token: () => good({ exp: undefined }) },
    { name: 'an end in words', token: () => good({ exp: String(now() + 60) }) },
    { name: 'no end in sight', token: () => forge(key, header, text('"exp":1e309')) },
    { name: 'a longer life than any may have', token: () => good({ exp: now() + 3600 }) },
    { name: 'no beginning', token: () => good({ iat: undefined }) },
    { name: 'issued tomorrow', token: () => good({ iat: now() + 86_400, nbf: now(), exp: now() + 86_460 }) },
    { name: 'not yet good', token: () => good({ nbf: now() + 30 }) },
    { name: 'a beginning in words', token: () => good({ nbf: 'now' }) },
    { name: 'issued before time began', token: () => good({ iat: -1 }) },
    { name: 'no subject', token: () => good({ sub: undefined }) },
    { name: 'an empty subject', token: () => good({ sub: '' }) },
    { name: 'a subject of a kilobyte and more', token: () => good({ sub: 'a'.repeat(1025) }) },
    { name: 'a list of subjects', token: () => good({ sub: ['ann'] }) },
    { name: 'no id', token: () => good({ jti: undefined }) },
    { name: 'the id of a token of somebody else', token: () => good({ jti: `${outsideIssuer} 1` }) },
    { name: 'a scope in words', token: () => good({ scope: 'read' }) },
    { name: 'an empty scope', token: () => good({ scope: [] }) },
    { name: 'null for a scope', token: () => good({ scope: null }) },
    { name: 'an unknown verb', token: () => good({ scope: [{ verbs: ['own'] }] }) },
    { name: 'a certificate in another form', token: () => good({ cnf: { 'x5t#S256': 'abc' } }) },
    {
      name: 'a certificate’s SHA-256 with loose ends',
      token: () => good({ cnf: { 'x5t#S256': `${'A'.repeat(42)}B` } }),
    },
    { name: 'bound to a key', token: () => good({ cnf: { jkt: 'A'.repeat(43) } }) },
    { name: 'bound twice', token: () => good({ cnf: { 'x5t#S256': 'A'.repeat(43), jkt: 'A'.repeat(43) } }) },
    { name: 'bound to nothing', token: () => good({ cnf: {} }) },
    { name: 'null for what it is bound to', token: () => good({ cnf: null }) },
    { name: 'half a revision', token: () => good({ auth_revision: 1.5 }) },
    { name: 'a huge revision', token: () => good({ auth_revision: 2 ** 60 }) },
    { name: 'a user’s id without the revision', token: () => good({ user_id: 1 }) },
    { name: 'a user’s id, and groups', token: () => good({ user_id: 1, auth_revision: 1, groups: ['g'] }) },
    { name: 'ancestors that are no ids', token: () => good({ par: [1] }) },
    { name: 'too many ancestors', token: () => good({ par: Array(9).fill('a') }) },
    { name: 'a claim twice', token: () => forge(key, header, text(`"sub":"root"`)) },
    { name: 'a claim twice, once in escapes', token: () => forge(key, header, text('"su\\u0062":"root"')) },
    { name: 'a claim within a claim twice', token: () => forge(key, header, text('"x":{"a":1,"a":2}')) },
    {
      name: 'a header twice',
      token: () => forge(key, JSON.stringify(header).replace(/\}$/, ',"alg":"EdDSA"}'), claims()),
    },
    { name: 'depths', token: () => forge(key, header, text(`"x":${deep(2000)}`)) },
    { name: 'bytes that are no text', token: () => good().replace(/\.[^.]+\./, '.7-8.') },
    { name: 'base64 in place of base64url', token: () => `${good()}=` },
    { name: 'a signature with loose ends', token: () => loosened(good()) },
    { name: 'half a character for a subject', token: () => good({ sub: '\ud800' }) },
  ]
  for (const { name, token } of rows)
    test(name, async () => {
      const made = token()
      assert.equal(await authority.verify(made), null)
      // Nor is any part of it taken for anything else.
      assert.equal(typeof authority.claims(made), 'boolean')
    })

  test('with any bit of its signature, its claims or its header turned', async () => {
    const parts = good().split('.')
    for (const [index, part] of parts.entries()) {
      const bytes = Buffer.from(part, 'base64url')
      for (let at = 0; at < bytes.length; at += 7) {
        const turned = Buffer.from(bytes)
        turned[at]! ^= 1 << (at % 8)
        const made = parts.with(index, turned.toString('base64url')).join('.')
        assert.equal(await authority.verify(made), null, `part ${index}, byte ${at}`)
      }
    }
  })
})

describe('of an issuer elsewhere', () => {
  const outsideHeader = { alg: 'RS256', kid: outsideKey.verification.id, typ: 'JWT' }
  const outside = (over: object = {}, head: object = {}, by = outsideKey) =>
    forge(
      by,
      { ...outsideHeader, ...head },
      { ...claims(), iss: outsideIssuer, aud: 'leasehold-clients', groups: ['dev', 'ops'], ...over },
    )

  test('names who calls, and groups with the prefix', async () => {
    const { name, groups, id, isOurs, scope, revision, userId } = (await authority.verify(
      outside({ scope: 'openid' }),
    ))!
    assert.deepEqual(
      { name, groups, id, isOurs, scope, revision, userId },
      {
        ...{ name: 'ann', groups: ['oidc:dev', 'oidc:ops'], id: `${outsideIssuer} a-token`, isOurs: false },
        ...{ scope: null, revision: null, userId: null },
      },
    )
  })

  test('may name one group, or none', async () => {
    assert.deepEqual((await authority.verify(outside({ groups: 'dev' })))!.groups, ['oidc:dev'])
    assert.deepEqual((await authority.verify(outside({ groups: undefined })))!.groups, [])
  })

  test('is known without an id by what it says', async () => {
    const [first, second] = [outside({ jti: undefined }), outside({ jti: undefined, sub: 'bob' })]
    const ids = [await authority.verify(first), await authority.verify(first), await authority.verify(second)].map(
      (token) => token!.id,
    )
    assert.equal(ids[0], ids[1])
    assert.notEqual(ids[0], ids[2])
  })

  test('may leave the key’s id out where there is one key', async () => {
    assert.ok(await authority.verify(outside({}, { kid: undefined })))
  })

  for (const { name, token } of [
    { name: 'our own audience', token: () => outside({ aud: audience }) },
    { name: 'our own key', token: () => outside({}, { alg: 'EdDSA', kid: key.verification.id }, key) },
    { name: 'our own key without its id', token: () => outside({}, { alg: 'EdDSA', kid: undefined }, key) },
    { name: 'its key for a token of our own', token: () => forge(outsideKey, outsideHeader, claims()) },
    { name: 'an algorithm that its key does not say', token: () => outside({}, { alg: 'PS256' }) },
    { name: 'a life of days', token: () => outside({ exp: now() + 3 * 86_400 }) },
    { name: 'numbers for groups', token: () => outside({ groups: [1] }) },
    { name: 'an object for groups', token: () => outside({ groups: { dev: true } }) },
    { name: 'half a character in a group', token: () => outside({ groups: ['dev', '\udc00'] }) },
    { name: 'no name', token: () => outside({ sub: 7 }) },
    { name: 'bound to a key', token: () => outside({ cnf: { jkt: 'A'.repeat(43) } }) },
  ])
    test(`refused: ${name}`, async () => assert.equal(await authority.verify(token()), null))
})

describe('keys', () => {
  test('a token says itself whose it is', () => {
    assert.equal(authority.claims(good()), true)
    assert.equal(authority.claims(forge(key, header, { iss: outsideIssuer })), true)
    assert.equal(authority.claims(good({ iss: 'elsewhere' })), false)
    assert.equal(authority.claims('AAAAAAAAAAAAAAAA.17'), false)
  })

  test('are published without what is secret', () => {
    const { keys } = JSON.parse(authority.published()) as { keys: Record<string, unknown>[] }
    assert.deepEqual(
      keys.map(({ kid, alg, use }) => [kid, alg, use]),
      [
        [key.verification.id, 'EdDSA', 'sig'],
        [other.verification.id, 'ES256', 'sig'],
      ],
    )
    for (const jwk of keys) assert.equal(Object.hasOwn(jwk, 'd'), false)
  })

  test('change while they are in use; broken files change nothing', async () => {
    const [first, second] = [await makeKey(), await makeKey()]
    const signingKeyFile = write('live.pem', pemOf(first))
    const keysFile = write('live.json', setText(first), 0o644)
    let refusals = 0
    const log = { ...silentLog, error: () => void refusals++ }
    const live = await open(configOf({ signingKeyFile, keysFile }), log)
    try {
      const byFirst = (await live.sign(newToken))!.token
      const verified = (await live.verify(byFirst))!
      const { generation } = live
      const changed = (from: number) => waitFor('the keys were read again', () => live.generation !== from)
      // The new key is made known first, then it signs, then the old one goes.
      write('live.json', setText(first, second), 0o644)
      await changed(generation)
      write('live.pem', pemOf(second))
      await changed(generation + 1)
      const bySecond = (await live.sign(newToken))!.token
      assert.ok((await live.verify(byFirst)) !== null && (await live.verify(bySecond)) !== null)
      write('live.json', setText(second), 0o644)
      await changed(generation + 2)
      assert.equal(await live.verify(byFirst), null)
      assert.equal(live.trusts(verified), false)
      assert.ok(await live.verify(bySecond))
      // Without the key that signs, and broken.
      for (const text of [setText(first), '{"keys":[', '{"keys":[{}]}']) {
        const [before, logged] = [live.generation, refusals]
        write('live.json', text, 0o644)
        await waitFor('it is refused', () => refusals > logged)
        assert.equal(live.generation, before)
        assert.ok(await live.verify(bySecond))
      }
    } finally {
      live.close()
    }
  })

  for (const { name, over, problem } of [
    {
      name: 'a signing key that others may read',
      over: () => {
        const signingKeyFile = write('open.pem', pemOf(key))
        chmodSync(signingKeyFile, 0o640)
        return { signingKeyFile }
      },
      problem: /others may read it/,
    },
    {
      name: 'a signing key that is not among the others',
      over: () => ({ signingKeyFile: write('x.pem', pemOf(stranger)) }),
      problem: /is not in it/,
    },
    {
      name: 'a file with a private key for one of public ones',
      over: () => ({ keysFile: write('private.json', JSON.stringify({ keys: [key.key.export({ format: 'jwk' })] })) }),
      problem: /not only a public one/,
    },
    {
      name: 'a shared secret',
      over: () => ({ keysFile: write('oct.json', '{"keys":[{"kty":"oct","k":"AAAA"}]}') }),
      problem: /not only a public one/,
    },
    {
      name: 'a key for something else',
      over: () => ({
        keysFile: write('enc.json', JSON.stringify({ keys: [{ ...key.verification.jwk, use: 'enc' }] })),
      }),
      problem: /not for signatures/,
    },
    {
      name: 'a key for another algorithm than its own',
      over: () => ({
        keysFile: write('alg.json', JSON.stringify({ keys: [{ ...key.verification.jwk, alg: 'ES256' }] })),
      }),
      problem: /none for the algorithm/,
    },
    {
      name: 'one id twice',
      over: () => ({
        keysFile: write(
          'twice.json',
          JSON.stringify({ keys: [{ ...key.verification.jwk }, { ...key.verification.jwk }] }),
        ),
      }),
      problem: /one kid/,
    },
    {
      name: 'an object for an id',
      over: () => ({ keysFile: write('kid.json', JSON.stringify({ keys: [{ ...key.verification.jwk, kid: {} }] })) }),
      problem: /no short text/,
    },
    { name: 'no file', over: () => ({ keysFile: '/nowhere/keys.json' }), problem: /ENOENT/ },
  ])
    test(`refused at the start: ${name}`, async () => {
      await assert.rejects(open(configOf(over())), problem)
    })
})

/** The same bytes, written in another way: of 64 bytes the last letter has four bits to spare. */
function loosened(token: string): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return token.slice(0, -1) + letters[letters.indexOf(token.at(-1)!) + 1]
}
