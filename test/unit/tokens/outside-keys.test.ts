import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { limits } from '../../../src/base/limits.ts'
import { silentLog } from '../../../src/base/log.ts'
import type { OutsideIssuerConfig } from '../../../src/config/token-settings.ts'
import { fetchKeySetText } from '../../../src/tokens/fetch-key-set.ts'
import { OutsideKeys } from '../../../src/tokens/outside-keys.ts'
import { TestPki } from '../../support/test-pki.ts'
import { makeKey, setText } from '../../support/token-keys.ts'
import { waitFor } from '../../support/wait-for.ts'

const dir = mkdtempSync(join(tmpdir(), 'leasehold-outside-'))
const pki = new TestPki(dir)
const identity = pki.issue({ of: 'clients', name: 'issuer' })
const caFile = pki.caFile('clients')
after(() => rmSync(dir, { recursive: true }))

const [first, second] = await Promise.all([makeKey('ES256', 'first'), makeKey('RS256', 'second')])

async function serve(listener: RequestListener): Promise<{ url: string } & Disposable> {
  const server: Server = createServer(
    { cert: readFileSync(identity.certFile), key: readFileSync(identity.keyFile) },
    listener,
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
    [Symbol.dispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}

const configOf = (url: string): OutsideIssuerConfig => ({
  issuer: 'https://issuer.example',
  audience: 'a',
  keys: { kind: 'url', url, caFile },
  nameClaim: 'sub',
  groupsClaim: 'groups',
  groupsPrefix: '',
})

test('keys are fetched when a token names one that is not known, but not often; what was good is kept', async () => {
  let text = setText(first)
  let asked = 0
  using server = await serve((_request, response) => {
    asked++
    response.end(text)
  })
  let nowMs = 0
  let changes = 0
  const warned: string[] = []
  const log = { ...silentLog, warn: (message: string) => void warned.push(message) }
  const keys = new OutsideKeys(
    configOf(server.url),
    log,
    () => changes++,
    () => nowMs,
  )
  try {
    await keys.start()
    // The member starts without waiting for the issuer; a token does wait.
    assert.deepEqual([...(await keys.withKey('first')).keys()], ['first'])
    assert.deepEqual([asked, changes], [1, 1])
    text = setText(first, second)
    assert.deepEqual([...(await keys.withKey('second')).keys()], ['first'], 'it was asked a moment ago')
    nowMs += limits.keySetRefreshMsMin
    assert.deepEqual([...(await keys.withKey('second')).keys()], ['first', 'second'])
    assert.deepEqual([asked, changes], [2, 2])
    for (const broken of [
      '',
      'no',
      '{"keys":{}}',
      '{"keys":[{"kty":"oct","k":"AA"}]}',
      `{"keys":[],"x":"${'x'.repeat(300_000)}"}`,
    ]) {
      text = broken
      nowMs += limits.keySetRefreshMsMin
      const before = warned.length
      assert.deepEqual([...(await keys.withKey('third')).keys()], ['first', 'second'])
      assert.equal(warned.length, before + 1, broken.slice(0, 20))
    }
    assert.equal(changes, 2)
    text = setText(second)
    nowMs += limits.keySetRefreshMsMin
    assert.deepEqual([...(await keys.withKey('third')).keys()], ['second'], 'what the issuer took back is gone')
    assert.equal(changes, 3)
  } finally {
    keys.close()
  }
})

test('many tokens with a key that is not known ask once', async () => {
  let asked = 0
  using server = await serve((_request, response) => {
    asked++
    setTimeout(() => response.end(setText(first)), 20)
  })
  const keys = new OutsideKeys(configOf(server.url), silentLog, () => {})
  try {
    await keys.start()
    const sets = await Promise.all(Array.from({ length: 50 }, () => keys.withKey('first')))
    assert.ok(sets.every((set) => set.has('first')))
    assert.equal(asked, 1)
  } finally {
    keys.close()
  }
})

test('so many tokens wait for an issuer that is slow, and no more', async () => {
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
  using server = await serve((_request, response) => void answered.then(() => response.end(setText(first))))
  const keys = new OutsideKeys(configOf(server.url), silentLog, () => {})
  try {
    await keys.start()
    const waiting = Array.from({ length: limits.keySetWaitingMax }, () => keys.withKey('first'))
    assert.equal((await keys.withKey('first')).size, 0)
    answer()
    assert.ok((await Promise.all(waiting)).every((set) => set.has('first')))
    assert.ok(limits.keySetWaitingMax < limits.tokensVerifyingPerSourceMax)
  } finally {
    keys.close()
  }
})

test('keys in a file are read again when it changes', async () => {
  const file = join(dir, 'keys.json')
  writeFileSync(file, setText(first))
  let changes = 0
  const config: OutsideIssuerConfig = { ...configOf(''), keys: { kind: 'file', file } }
  const keys = new OutsideKeys(config, silentLog, () => changes++)
  try {
    await keys.start()
    writeFileSync(file, setText(second))
    await waitFor('the file was read again', () => changes === 2)
    assert.deepEqual([...(await keys.withKey(null)).keys()], ['second'])
  } finally {
    keys.close()
  }
  writeFileSync(file, '{')
  await assert.rejects(new OutsideKeys(config, silentLog, () => {}).start(), /not JSON/)
})

test('an issuer’s keys that are of no use here are left out, and those without an algorithm fit several', async () => {
  const bare = Object.fromEntries(Object.entries(second.verification.jwk).filter(([name]) => name !== 'alg'))
  const text = JSON.stringify({
    keys: [
      bare,
      { kty: 'EC', crv: 'secp256k1', x: 'AA', y: 'AA' },
      { ...first.verification.jwk, use: 'enc' },
      { kty: 'new' },
      7,
    ],
  })
  using server = await serve((_request, response) => void response.end(text))
  const keys = new OutsideKeys(configOf(server.url), silentLog, () => {})
  try {
    await keys.start()
    const set = await keys.withKey('second')
    assert.deepEqual([...set.keys()], ['second'])
    assert.deepEqual(set.get('second')!.algorithms, ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'])
  } finally {
    keys.close()
  }
})

test('authorities that cannot be read are named', async () => {
  for (const [file, why] of [
    [join(dir, 'nosuch.pem'), 'ENOENT'],
    [dir, 'is no regular file'],
  ] as const)
    await assert.rejects(fetchKeySetText('https://127.0.0.1:1/keys', file), { message: `${file}: ${why}` })
})

for (const { name, listener, ca = caFile, problem } of [
  { name: 'an error', listener: (_, response) => void response.writeHead(500).end(), problem: /status 500/ },
  {
    name: 'a way elsewhere',
    listener: (_, response) => void response.writeHead(302, { location: '/x' }).end(),
    problem: /status 302/,
  },
  {
    name: 'more than any key set',
    listener: (_, response) => void response.end('x'.repeat(limits.tokenKeysBytesMax + 1)),
    problem: /too large/,
  },
  {
    name: 'a certificate of somebody else',
    listener: (_, response) => void response.end(),
    ca: pki.caFile('strangers'),
    problem: /certificate/,
  },
  {
    name: 'a connection that ends',
    listener: (request) => void request.socket.destroy(),
    problem: /hang up|ECONNRESET/,
  },
] satisfies { name: string; listener: RequestListener; ca?: string; problem: RegExp }[])
  test(`not taken: ${name}`, async () => {
    using server = await serve(listener)
    await assert.rejects(fetchKeySetText(server.url, ca), problem)
  })

test('an answer that takes too long, or never ends, is given up, and that is said', async () => {
  for (const listener of [
    () => {},
    (_request, response) => {
      response.write('{"keys":')
    },
  ] satisfies RequestListener[]) {
    using server = await serve(listener)
    await assert.rejects(fetchKeySetText(server.url, caFile, 200), /keys: no whole answer within 200 ms$/)
  }
})
