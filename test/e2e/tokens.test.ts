/** Signed tokens on real processes: issued by members and by a key at hand, narrowed, bound, revoked, rotated, and from elsewhere. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { credentials, type ServiceError } from '@grpc/grpc-js'
import { PutRequest, RangeRequest, WatchCreateRequest, WatchRequest, WatchResponse } from '../../src/wire/gen/rpc.ts'
import type { Identity } from '../support/certificates.ts'
import { TestCluster } from '../support/cluster.ts'
import { bytes, putRequest, rangeRequest } from '../support/commands.ts'
import { RawClient } from '../support/grpc-harness.ts'
import type { TestMember } from '../support/member.ts'
import { leasehold, type Ran, run } from '../support/run.ts'
import { TestPki } from '../support/test-pki.ts'
import { forge, makeKey, setText } from '../support/token-keys.ts'
import { waitFor } from '../support/wait-for.ts'

const invalid = 'etcdserver: invalid auth token'
const denied = 'etcdserver: permission denied'
const audience = 'orders'

/** Publishes a key set over TLS, and counts how often it is asked. */
class Issuer implements Disposable {
  text: string
  asked = 0
  readonly #server: Server

  constructor({ certFile, keyFile }: Identity, text: string) {
    this.text = text
    this.#server = createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, (_request, response) => {
      this.asked++
      response.end(this.text)
    })
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}/keys`
  }

  [Symbol.dispose](): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

test('signed tokens on three members', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'leasehold-e2e-tokens-'))
  const file = (name: string): string => join(dir, name)
  const token = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(leasehold, ['token', ...args])
    if (code !== 0) throw new Error(`leasehold token ${args.join(' ')}: ${stderr}`)
    return stdout.trim()
  }
  const kidOf = (line: string): string => line.slice(0, line.indexOf(':'))
  const pki = new TestPki(dir)
  const identities = Object.fromEntries(
    ['root', 'ann', 'bob', 'other'].map((name) => [name, pki.issue({ of: 'clients', name, profile: 'client' })]),
  )
  const identityOf = (name: string): Identity => identities[name]!
  const oldKid = kidOf(await token('keys', 'new', '--keys', file('keys.json'), '--signing-key', file('signing.key')))
  const outsideKey = await makeKey('ES256')
  using issuer = new Issuer(pki.issue({ of: 'strangers', name: 'issuer' }), setText(outsideKey))
  const jwksUrl = await issuer.listen()
  await using cluster = await TestCluster.start({
    size: 3,
    certificates: pki.certificates(),
    flags: [
      `--token-signing-key-file=${file('signing.key')}`,
      `--token-keys-file=${file('keys.json')}`,
      `--token-audience=${audience}`,
      '--oidc-issuer=https://issuer.example',
      '--oidc-audience=orders-clients',
      `--oidc-jwks-url=${jwksUrl}`,
      `--oidc-ca-file=${pki.caFile('strangers')}`,
    ],
  })
  const endpoints = cluster.members.map(({ clientUrl }) => clientUrl).join(',')
  const connection = (name: string): string[] => {
    const { caFile, certFile, keyFile } = identityOf(name)
    return [`--endpoints=${endpoints}`, `--cacert=${caFile}`, `--cert=${certFile}`, `--key=${keyFile}`]
  }
  const issue = (name: string, ...args: readonly string[]): Promise<string> =>
    token('issue', ...connection(name), ...args)
  const offline = (...args: readonly string[]): Promise<string> =>
    token('issue', '--signing-key', file('signing.key'), '--audience', audience, ...args)
  const clientOf = (member: TestMember, name: string): RawClient => {
    const { caFile, certFile, keyFile } = identityOf(name)
    const tls = credentials.createSsl(readFileSync(caFile), readFileSync(keyFile), readFileSync(certFile))
    return new RawClient(Number(new URL(member.clientUrl).port), tls, { 'grpc.ssl_target_name_override': 'localhost' })
  }
  const rangeOf = (key: string, end = ''): Uint8Array =>
    RangeRequest.encode(rangeRequest({ key: bytes(key), range_end: bytes(end) })).finish()
  /** What a member answers who comes with a token on a certificate: null if that may be read. */
  const ask = async (
    shown: string,
    key: string,
    { member = cluster.members[0]!, on = 'other', metadata = 'token', end = '' } = {},
  ): Promise<string | null> => {
    using client = clientOf(member, on)
    try {
      await client.unary('/etcdserverpb.KV/Range', rangeOf(key, end), { [metadata]: shown })
      return null
    } catch (error) {
      return (error as ServiceError).details
    }
  }
  const everywhere = (shown: string, key: string): Promise<(string | null)[]> =>
    Promise.all(cluster.members.map((member) => ask(shown, key, { member })))
  const refusal = ({ code, stderr }: Ran): string => {
    assert.equal(code, 1)
    return stderr.trim()
  }

  const inspectOf = async (shown: string, ...args: readonly string[]): Promise<string> => {
    writeFileSync(file('inspected'), shown)
    return token('inspect', file('inspected'), ...args)
  }

  const { etcdctl } = cluster
  for (const args of [
    ['user', 'add', 'root', '--no-password'],
    ['user', 'grant-role', 'root', 'root'],
    ['user', 'add', 'ann', '--no-password'],
    ['user', 'add', 'bob', '--no-password'],
    ['role', 'add', 'app'],
    ['role', 'grant-permission', 'app', 'readwrite', '--prefix=true', '/app/'],
    ['user', 'grant-role', 'ann', 'app'],
    ['user', 'grant-role', 'bob', 'app'],
    ['put', '/app/a', '1'],
    ['put', '/app/b', '2'],
    ['auth', 'enable'],
  ])
    await etcdctl.ok(...args)
  const rootctl = (...args: readonly string[]) =>
    etcdctl.run([`--cert=${identityOf('root').certFile}`, `--key=${identityOf('root').keyFile}`, ...args])

  await t.test('a member’s token is good on all of them, in either header, and no wider than its scope', async () => {
    const narrow = await issue('ann', '--allow', 'read:key=/app/a')
    assert.deepEqual(await everywhere(narrow, '/app/a'), [null, null, null])
    assert.deepEqual(await everywhere(narrow, '/app/b'), [denied, denied, denied])
    assert.equal(await ask(narrow, '/app/', { end: '/app0' }), denied)
    assert.equal(await ask(narrow, '/app/a', { metadata: 'authorization' }), null)
    assert.equal(await ask(`Bearer ${narrow}`, '/app/a', { metadata: 'authorization' }), null)
    using client = clientOf(cluster.members[1]!, 'other')
    const put = PutRequest.encode(putRequest({ key: bytes('/app/a'), value: bytes('x') })).finish()
    assert.equal((await client.refusal('/etcdserverpb.KV/Put', put, { token: narrow })).details, denied)
    const whole = await issue('ann')
    await client.unary('/etcdserverpb.KV/Put', put, { token: whole })
    assert.equal(await ask(whole, '/elsewhere'), denied)
    // Whoever holds it makes another of it, no wider.
    writeFileSync(file('whole'), whole)
    const child = await issue('other', '--token-file', file('whole'), '--allow', 'read:prefix=/app/a')
    assert.deepEqual([await ask(child, '/app/a'), await ask(child, '/app/b')], [null, denied])
    writeFileSync(file('child'), child)
    const wider = await run(leasehold, [
      'token',
      'issue',
      ...connection('other'),
      `--token-file=${file('child')}`,
      '--allow=read:prefix=/app/',
    ])
    assert.equal(refusal(wider), `leasehold token: ${denied}`)
  })

  await t.test('a token of a key at hand is good for its time, for a user that was there before', async () => {
    const short = await offline('--for', 'ann', '--ttl', '6s', '--allow', 'read:prefix=/app/')
    assert.deepEqual(await everywhere(short, '/app/a'), [null, null, null])
    await waitFor('it has expired', async () => (await ask(short, '/app/a')) === invalid, 10_000)
    assert.deepEqual(await everywhere(short, '/app/a'), [invalid, invalid, invalid])
    for (const [args, want] of [
      [['--audience', 'elsewhere', '--for', 'ann'], invalid],
      [['--issuer', 'elsewhere', '--for', 'ann'], invalid],
      [['--for', 'nobody'], invalid],
      [['--for', 'ann', '--ttl', '16m'], invalid],
    ] as const)
      assert.equal(await ask(await offline(...args), '/app/a'), want, args.join(' '))
  })

  await t.test('one that is bound to a certificate is of no use on another', async () => {
    const bound = await issue('ann', '--bind')
    assert.equal(await ask(bound, '/app/a', { on: 'ann' }), null)
    assert.equal(await ask(bound, '/app/a', { on: 'other' }), invalid)
    assert.equal(await ask(bound, '/app/a', { on: 'root' }), invalid)
    writeFileSync(file('bound'), bound)
    const child = await issue('ann', '--token-file', file('bound'), '--allow', 'read:key=/app/a')
    assert.equal(await ask(child, '/app/a', { on: 'ann' }), null)
    assert.equal(await ask(child, '/app/a', { on: 'other' }), invalid)
    const forBob = await issue('root', '--for', 'bob', '--bind-to', identityOf('bob').certFile)
    assert.deepEqual([await ask(forBob, '/app/a', { on: 'bob' }), await ask(forBob, '/app/a')], [null, invalid])
  })

  await t.test('a revocation holds on every member, for what was derived as well, and ends live watches', async () => {
    const [parent, sibling] = await Promise.all([issue('ann'), issue('ann')])
    writeFileSync(file('parent'), parent)
    const child = await issue('other', '--token-file', file('parent'))
    assert.deepEqual(await everywhere(child, '/app/a'), [null, null, null])
    const watches = cluster.members.map((member) => {
      const client = clientOf(member, 'other')
      const stream = client.bidi('/etcdserverpb.Watch/Watch', { token: child })
      const seen: WatchResponse[] = []
      stream.on('data', (message: Buffer) => seen.push(WatchResponse.decode(message)))
      stream.on('error', () => {})
      const value = { ...WatchCreateRequest.decode(new Uint8Array(0)), key: bytes('/app/a') }
      stream.write(Buffer.from(WatchRequest.encode({ request_union: { $case: 'create_request', value } }).finish()))
      return { seen, client }
    })
    try {
      await waitFor('the watches have begun', () => watches.every(({ seen }) => seen[0]?.created))
      await token('revoke', ...connection('other'), '--token-file', file('parent'))
      // A linearizable read sees what was acknowledged before it, wherever.
      assert.deepEqual(await everywhere(child, '/app/a'), [invalid, invalid, invalid])
      assert.deepEqual(await everywhere(parent, '/app/a'), [invalid, invalid, invalid])
      assert.deepEqual(await everywhere(sibling, '/app/a'), [null, null, null])
      await waitFor('the watches have ended', () =>
        watches.every(({ seen }) =>
          seen.some(({ canceled, cancel_reason }) => canceled && cancel_reason.includes(invalid)),
        ),
      )
    } finally {
      for (const { client } of watches) client.client.close()
    }
    // By its id, and all of a user, by root.
    const { claims } = JSON.parse(await inspectOf(sibling)) as { claims: { jti: string } }
    const notRoot = await run(leasehold, ['token', 'revoke', ...connection('bob'), '--id', claims.jti])
    assert.equal(refusal(notRoot), `leasehold token: ${denied}`)
    await token('revoke', ...connection('root'), '--id', claims.jti)
    assert.deepEqual(await everywhere(sibling, '/app/a'), [invalid, invalid, invalid])
    const [ofAnn, ofKey, ofBob] = await Promise.all([issue('ann'), offline('--for', 'ann'), issue('bob')])
    await token('revoke', ...connection('root'), '--of', 'ann')
    for (const [shown, want] of [
      [ofAnn, invalid],
      [ofKey, invalid],
      [ofBob, null],
    ] as const)
      assert.deepEqual(await everywhere(shown, '/app/a'), [want, want, want])
  })

  await t.test('a user that is deleted and added again has no tokens', async () => {
    const [ofMember, ofKey] = await Promise.all([issue('bob'), offline('--for', 'bob')])
    assert.deepEqual([await ask(ofMember, '/app/a'), await ask(ofKey, '/app/a')], [null, null])
    for (const args of [
      ['user', 'delete', 'bob'],
      ['user', 'add', 'bob', '--no-password'],
      ['user', 'grant-role', 'bob', 'app'],
    ])
      assert.equal((await rootctl(...args)).code, 0)
    for (const shown of [ofMember, ofKey])
      assert.deepEqual(await everywhere(shown, '/app/a'), [invalid, invalid, invalid])
    assert.equal(await ask(await offline('--for', 'bob'), '/app/a'), null)
  })

  await t.test('keys are rotated while tokens of both are in use', async () => {
    const ofOld = await issue('bob')
    const newKid = kidOf(await token('keys', 'new', '--keys', file('keys.json'), '--signing-key', file('next.key')))
    const published = async (): Promise<string[][]> => {
      const lines = (await token('keys', 'list', ...connection('other'))).split('\n')
      return cluster.members.map(({ clientUrl }) =>
        lines.filter((line) => line.startsWith(new URL(clientUrl).host)).map((line) => line.split(' ')[1]!),
      )
    }
    await waitFor('all members verify with the new key', async () =>
      (await published()).every((kids) => kids.includes(newKid)),
    )
    renameSync(file('next.key'), file('signing.key'))
    const ofNew = await waitFor('the new key signs', async () => {
      const shown = await issue('bob')
      return JSON.parse(await inspectOf(shown)).header.kid === newKid ? shown : null
    })
    assert.deepEqual(
      [await everywhere(ofOld, '/app/a'), await everywhere(ofNew, '/app/a')],
      [
        [null, null, null],
        [null, null, null],
      ],
    )
    await token('keys', 'retire', '--keys', file('keys.json'), '--kid', oldKid)
    await waitFor('the old key is good no longer', async () =>
      (await everywhere(ofOld, '/app/a')).every((want) => want === invalid),
    )
    assert.deepEqual(await everywhere(ofNew, '/app/a'), [null, null, null])
    const inspected = JSON.parse(await inspectOf(ofNew, '--keys', file('keys.json')))
    assert.equal(inspected.good, true)
    assert.ok(!JSON.stringify(inspected).includes(ofNew.split('.')[2]!))
    assert.equal(
      (await run(leasehold, ['token', 'inspect', '--keys', file('keys.json'), '-'], { input: ofOld })).code,
      2,
    )
  })

  await t.test('an outside issuer’s groups have roles here, and its keys are fetched when they change', async () => {
    const now = Date.now() / 1000
    const outside = (key: Awaited<ReturnType<typeof makeKey>>, over: object = {}) =>
      forge(
        key,
        { alg: 'ES256', kid: key.verification.id },
        {
          iss: 'https://issuer.example',
          aud: 'orders-clients',
          sub: 'olga',
          iat: now,
          exp: now + 600,
          groups: ['dev'],
          ...over,
        },
      )
    const shown = outside(outsideKey)
    assert.deepEqual(await everywhere(shown, '/app/a'), [denied, denied, denied])
    writeFileSync(
      file('policy.yaml'),
      'version: 1\nroles: [{name: app, permissions: [{allow: [read, write], prefix: /app/}]}]\ngroups: [{name: "oidc:dev", roles: [app]}]\n',
    )
    const applied = await run(leasehold, ['policy', 'apply', ...connection('root'), file('policy.yaml')])
    assert.equal(applied.code, 0, applied.stderr)
    assert.deepEqual(await everywhere(shown, '/app/a'), [null, null, null])
    assert.deepEqual(
      [
        await ask(outside(outsideKey, { groups: ['ops'] }), '/app/a'),
        await ask(outside(outsideKey, { aud: audience }), '/app/a'),
      ],
      [denied, invalid],
    )
    const whoami = await token('whoami', ...connection('other'), '--token', shown, '--json')
    assert.deepEqual(JSON.parse(whoami).groups, ['oidc:dev'])
    // Keys that nobody knows do not have the issuer asked again and again.
    const stranger = await makeKey('ES256')
    const { asked } = issuer
    for (let n = 0; n < 10; n++) assert.equal(await ask(outside(stranger), '/app/a'), invalid)
    assert.ok(issuer.asked - asked <= 1, `asked ${issuer.asked - asked} times`)
  })

  await t.test('no token and no key is in a log or in the data of a member', () => {
    const secrets = [
      readFileSync(file('signing.key'), 'utf8'),
      readFileSync(file('whole'), 'utf8'),
      readFileSync(file('parent'), 'utf8'),
    ]
    const parts = secrets.flatMap((text) =>
      text.startsWith('{') ? [JSON.parse(text).d as string] : [text.split('.')[2]!],
    )
    for (const { log, dataDir } of cluster.members) {
      const files = readdirSync(dataDir, { recursive: true, encoding: 'utf8' }).map((name) => join(dataDir, name))
      const texts = files.filter((name) => statSync(name).isFile()).map((name) => readFileSync(name, 'latin1'))
      assert.ok(texts.length > 2)
      for (const part of parts) assert.ok(![log, ...texts].some((text) => text.includes(part)))
    }
  })

  rmSync(dir, { recursive: true, force: true })
})
