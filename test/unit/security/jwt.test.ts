import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { SignJWT } from 'jose'
import { jwtAlgorithms } from '../../../src/config/auth-token.ts'
import { Jwt, JwtKeyError } from '../../../src/security/jwt.ts'

const dir = mkdtempSync(join(tmpdir(), 'leasehold-jwt-'))
after(() => rmSync(dir, { recursive: true }))

function write(name: string, bytes: string | Buffer, mode = 0o600): string {
  const path = join(dir, name)
  writeFileSync(path, bytes, { mode })
  chmodSync(path, mode)
  return path
}
const pem = (key: KeyObject): string =>
  String(key.export({ format: 'pem', type: key.type === 'public' ? 'spki' : 'pkcs8' }))

interface Keys {
  readonly publicKeyFile: string | null
  readonly privateKeyFile: string | null
}
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pairs: Record<string, { publicKey: KeyObject; privateKey: KeyObject }> = {
  RS: rsa,
  PS: rsa,
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  ES512: generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  EdDSA: generateKeyPairSync('ed25519'),
}
const pairOf = (algorithm: string) => pairs[algorithm] ?? pairs[algorithm.slice(0, 2)]!
const secret = randomBytes(64)

function keysOf(algorithm: string): Keys {
  if (algorithm.startsWith('HS')) return { publicKeyFile: null, privateKeyFile: write('secret', secret) }
  const { publicKey, privateKey } = pairOf(algorithm)
  return {
    publicKeyFile: write(`${algorithm}.pub`, pem(publicKey), 0o644),
    privateKeyFile: write(`${algorithm}.key`, pem(privateKey)),
  }
}
const open = (algorithm: string, keys: Keys = keysOf(algorithm), ttlSeconds = 300): Promise<Jwt> =>
  Jwt.open({ kind: 'jwt', algorithm, ttlSeconds, ...keys })

for (const algorithm of jwtAlgorithms) {
  test(`${algorithm}: what is signed is verified, by whoever has only the public key too`, async () => {
    const keys = keysOf(algorithm)
    const jwt = await open(algorithm, keys)
    const token = await jwt.sign('ann', 7)
    const claims = await jwt.verify(token!)
    assert.equal(claims?.username, 'ann')
    assert.equal(claims?.revision, 7)
    assert.ok(Math.abs(claims!.expiresMs - Date.now() - 300_000) < 5000)
    if (algorithm.startsWith('HS')) return
    const verifier = await open(algorithm, { ...keys, privateKeyFile: null })
    assert.equal(await verifier.sign('ann', 7), null)
    assert.equal((await verifier.verify(token!))?.username, 'ann')
  })
}

test('a token lives for the whole time that it should, if that is a second, too', async (t) => {
  const jwt = await open('RS256', keysOf('RS256'), 1)
  t.mock.timers.enable({ apis: ['Date'], now: 1_900_000_000_900 })
  const token = await jwt.sign('ann', 7)
  t.mock.timers.tick(999)
  assert.equal((await jwt.verify(token!))?.username, 'ann')
  t.mock.timers.tick(1001)
  assert.equal(await jwt.verify(token!), null)
})

test('two keys are a pair although more time passes while they are tried than tokens live', async (t) => {
  const now = Date.now
  // What is signed is looked at two seconds later.
  t.mock.method(Date, 'now', () => now() - 2000)
  await open('RS256', keysOf('RS256'), 1)
})

const now = Math.floor(Date.now() / 1000)
const good = { username: 'ann', revision: 7, exp: now + 300 }
const signed = (claims: object, key: KeyObject = rsa.privateKey, alg = 'RS256'): Promise<string> =>
  new SignJWT(claims as Record<string, unknown>).setProtectedHeader({ alg }).sign(key)
const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

test('a time may have a fraction: it ends in a whole millisecond', async () => {
  const jwt = await open('RS256')
  const claims = await jwt.verify(await signed({ ...good, exp: now + 300.00049 }))
  assert.equal(claims?.expiresMs, (now + 300) * 1000)
})

for (const [name, make] of Object.entries<() => Promise<string> | string>({
  'of nothing': () => '',
  'of rubbish': () => 'a.b.c',
  'of a megabyte of dots': () => '.'.repeat(1024 * 1024),
  unsigned: () => `${encoded({ alg: 'none' })}.${encoded(good)}.`,
  'with another algorithm of the same key': () => signed(good, rsa.privateKey, 'PS256'),
  'that takes the public key for a secret': () => {
    const text = `${encoded({ alg: 'HS256' })}.${encoded(good)}`
    return `${text}.${createHmac('sha256', pem(rsa.publicKey)).update(text).digest('base64url')}`
  },
  'of another key': () => signed(good, generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
  'that has expired': () => signed({ ...good, exp: now - 1 }),
  'that never expires': () => signed({ username: 'ann', revision: 7 }),
  'that expires too late': () => signed({ ...good, exp: now + 30 * 24 * 60 * 60 }),
  'from the future': () => signed({ ...good, iat: now + 3600 }),
  'not valid yet': () => signed({ ...good, nbf: now + 3600 }),
  'without a user': () => signed({ revision: 7, exp: now + 300 }),
  'of a user without a name': () => signed({ ...good, username: '' }),
  'of a user who is no text': () => signed({ ...good, username: ['root'] }),
  'without a revision': () => signed({ username: 'ann', exp: now + 300 }),
  'whose revision is no number': () => signed({ ...good, revision: '7' }),
  'whose revision is negative': () => signed({ ...good, revision: -1 }),
  'with claims that were changed': async () => {
    const [head, , signature] = (await signed(good)).split('.')
    return `${head}.${encoded({ ...good, username: 'root' })}.${signature}`
  },
})) {
  test(`refused: a token ${name}`, async () => assert.equal(await (await open('RS256')).verify(await make()), null))
}

for (const [name, algorithm, keys, message] of [
  [
    'keys that are no pair',
    'RS256',
    () => ({
      ...keysOf('RS256'),
      publicKeyFile: write('x.pub', pem(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey)),
    }),
    /is not the public key of/,
  ],
  ['a key of another kind', 'ES256', () => keysOf('RS256'), /needs a key on the curve prime256v1/],
  ['a key on another curve', 'ES256', () => keysOf('ES384'), /needs a key on the curve prime256v1/],
  [
    'a weak key',
    'RS256',
    () => ({
      publicKeyFile: null,
      privateKeyFile: write('weak', pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)),
    }),
    /2048 bits/,
  ],
  [
    'a short secret',
    'HS256',
    () => ({ publicKeyFile: null, privateKeyFile: write('short', 'secret') }),
    /needs 32 bytes/,
  ],
  [
    'a private key that others may read',
    'RS256',
    () => ({ publicKeyFile: null, privateKeyFile: write('open', pem(rsa.privateKey), 0o644) }),
    /others may read it/,
  ],
  [
    'no key at all',
    'RS256',
    () => ({ publicKeyFile: write('not.pem', 'hello', 0o644), privateKeyFile: null }),
    /not a public key/,
  ],
  ['a file that is not there', 'RS256', () => ({ publicKeyFile: join(dir, 'nosuch'), privateKeyFile: null }), /ENOENT/],
] as [string, string, () => Keys, RegExp][]) {
  test(`refused: ${name}`, async () => {
    await assert.rejects(
      open(algorithm, keys()),
      (error: Error) => error instanceof JwtKeyError && message.test(error.message),
    )
  })
}
