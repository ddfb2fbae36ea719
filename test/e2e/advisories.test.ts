/**
 * The classes of advisories on etcd that are a matter of a running member, by their names; the others are tested where
 * test/support/advisories.ts says. What is not built here is shown not to be there: whoever builds it finds its test broken.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { type ClientHttp2Session, connect as connectHttp2, constants, type OutgoingHttpHeaders } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Code } from '../../src/errors.ts'
import {
  AuthenticateRequest,
  AuthenticateResponse,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RangeResponse,
  WatchCreateRequest,
  WatchRequest,
  WatchResponse,
} from '../../src/wire/gen/rpc.ts'
import type { Identity } from '../support/certificates.ts'
import { TestCluster } from '../support/cluster.ts'
import { bytes, putRequest, rangeRequest } from '../support/commands.ts'
import { RawClient } from '../support/grpc-harness.ts'
import { type AskOptions, ask, type HttpAnswer } from '../support/http1.ts'
import type { TestMember } from '../support/member.ts'
import { freePorts } from '../support/ports.ts'
import { callOn, frameOf, headersOf } from '../support/raw-http2.ts'
import { leasehold, run } from '../support/run.ts'
import { TestPki } from '../support/test-pki.ts'
import { waitFor } from '../support/wait-for.ts'
import { within } from '../support/within.ts'

const passwords = { root: 'root-secret-1', ann: 'ann-secret-22' }
const treasure = 'the treasure of the house'
const denied = 'etcdserver: permission denied'
const invalidToken = 'etcdserver: invalid auth token'

let dir: string
let pki: TestPki
let cluster: TestCluster
let member: TestMember
let metricsUrl: string
let tokens: Readonly<Record<'root' | 'ann', string>>
/** Its certificate names no user. */
let stranger: Identity

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'leasehold-advisories-'))
  pki = new TestPki(dir)
  const usual = pki.certificates()
  // The member's own certificate bears the name of the mightiest user.
  const server = pki.issue({ of: 'clients', name: 'server-root', commonName: 'root' })
  stranger = { ...pki.issue({ of: 'clients', name: 'nobody', profile: 'client' }), caFile: server.caFile }
  const [metricsPort] = await freePorts(1)
  metricsUrl = `https://127.0.0.1:${metricsPort}`
  cluster = await TestCluster.start({
    size: 1,
    certificates: { ...usual, server },
    flags: [...pki.crlFlags(), `--listen-metrics-urls=${metricsUrl}`, '--bcrypt-cost=4', '--log-level=debug'],
  })
  member = cluster.members[0]!
  for (const args of [
    ['user', 'add', `root:${passwords.root}`],
    ['user', 'grant-role', 'root', 'root'],
    ['user', 'add', 'client', '--no-password'],
    ['user', 'grant-role', 'client', 'root'],
    ['user', 'add', `ann:${passwords.ann}`],
    ['role', 'add', 'ann'],
    ['role', 'grant-permission', 'ann', 'readwrite', 'a'],
    ['user', 'grant-role', 'ann', 'ann'],
    ['put', 'treasure', treasure],
    ['auth', 'enable', `--user=root:${passwords.root}`],
  ])
    await cluster.etcdctl.ok(...args)
  tokens = { root: await logIn('root', passwords.root), ann: await logIn('ann', passwords.ann) }
})
after(async () => {
  await cluster?.[Symbol.asyncDispose]()
  rmSync(dir, { recursive: true, force: true })
})

const clientOf = (identity: Identity): RawClient => RawClient.by(identity, Number(new URL(member.clientUrl).port))

async function logIn(name: string, password: string): Promise<string> {
  using client = clientOf(stranger)
  const request = AuthenticateRequest.encode({ name, password }).finish()
  return AuthenticateResponse.decode(await client.unary('/etcdserverpb.Auth/Authenticate', request)).token
}

const getTreasure = RangeRequest.encode(rangeRequest({ key: bytes('treasure') })).finish()
const putTreasure = PutRequest.encode(putRequest({ key: bytes('treasure'), value: bytes('stolen') })).finish()

const stillThere = async (): Promise<void> =>
  assert.equal(await cluster.etcdctl.ok('get', 'treasure', '--print-value-only'), `${treasure}\n`)

/** Over HTTP/1.1, with a good client certificate. */
const http1 = (path: string, options: AskOptions = {}, url = member.clientUrl): Promise<HttpAnswer> =>
  ask(`${url}${path}`, cluster.certificates.client, options)

async function http2(identity: Identity = stranger): Promise<ClientHttp2Session> {
  const { caFile, certFile, keyFile } = identity
  const [ca, cert, key] = [caFile, certFile, keyFile].map((file) => readFileSync(file))
  const session = connectHttp2(member.clientUrl, {
    ...{ ca: ca!, cert: cert!, key: key!, servername: 'localhost' },
    // What the member takes is what is tested, not what this client sends.
    maxSendHeaderBlockLength: 4 * 1024 * 1024,
  })
  session.on('error', () => {})
  await within('a connection', once(session, 'connect'))
  return session
}

const call = async (headers: OutgoingHttpHeaders, body: Uint8Array, identity?: Identity) =>
  within('an answer, or the end of the stream', callOn(await http2(identity), headers, frameOf(body)))

/** Where a gateway, the v2 API or a debugger would be. */
const gatewayPaths = ['/v3/kv/range', '/v3alpha/kv/range', '/v3beta/kv/range', '/v3/kv/put', '/v3/auth/authenticate']
const elsewhere = [
  ...['/v2/keys', '/v2/keys/treasure', '/v2/keys/../../x', '/v2/keys/%2e%2e/%2e%2e/x', '/v2/members', '/v2/stats/self'],
  ...['/debug/requests', '/debug/events', '/debug/pprof/', '/debug/pprof/cmdline', '/debug/vars', '/config/local/log'],
  ...['/members', '/raft', '/leases', '/leases/internal', '/', '//', '/metrics/../v2/keys', '/%2e%2e/etc/passwd'],
]

describe('what web pages can do', () => {
  test('CVE-2018-1098: no page of another site can write, by whatever form it posts', async () => {
    const body = JSON.stringify({ key: btoa('treasure'), value: btoa('stolen') })
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'application/json']) {
      for (const path of [...gatewayPaths, '/v2/keys/treasure', '/etcdserverpb.KV/Put', '/health', '/metrics']) {
        const { status, headers } = await http1(path, {
          method: 'POST',
          headers: { 'content-type': type, origin: 'https://evil.example', cookie: `token=${tokens.root}` },
          body,
        })
        assert.ok(status === 404 || status === 405, `${path} as ${type}: ${status}`)
        assert.equal(headers['access-control-allow-origin'], undefined)
        assert.equal(headers['set-cookie'], undefined)
      }
      const { httpStatus } = await call(headersOf('/etcdserverpb.KV/Put', { 'content-type': type }), putTreasure)
      assert.equal(httpStatus, 415, type)
    }
    const preflight = { 'access-control-request-method': 'POST', origin: 'https://evil.example' }
    const { headers } = await http1('/v3/kv/put', { method: 'OPTIONS', headers: preflight })
    assert.deepEqual(
      Object.keys(headers).filter((name) => name.startsWith('access-control')),
      [],
    )
    await stillThere()
  })

  test('CVE-2018-1098: a cookie is nobody’s identity', async () => {
    const headers = headersOf('/etcdserverpb.KV/Range', { cookie: `token=${tokens.root}` })
    assert.equal((await call(headers, getTreasure)).details, denied)
  })

  test('CVE-2018-1099: under whatever name a browser asks, it gets nothing but what everybody may have', async () => {
    for (const host of ['evil.example', '169.254.169.254', 'localhost:1', '']) {
      for (const path of [...gatewayPaths, ...elsewhere])
        assert.equal((await http1(path, { headers: { host } })).status, 404, `${path} of ${host}`)
      for (const path of ['/health', '/version', '/metrics', '/readyz']) {
        const { body } = await http1(path, { headers: { host } })
        for (const secret of ['treasure', ...Object.values(passwords), ...Object.values(tokens)])
          assert.ok(!body.includes(secret), `${secret} in ${path}`)
      }
    }
  })

  test('unreported: no WebSocket is opened, whatever its origin, cookie or method override', async () => {
    const headers = {
      ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
      ...{ 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-protocol': `Bearer, ${tokens.root}` },
      ...{ origin: 'https://evil.example', cookie: `token=${tokens.root}` },
    }
    for (const path of ['/v3/watch', '/v3/kv/range?method=POST', '/v3/kv/put?method=POST'])
      assert.equal((await http1(path, { headers })).status, 404)
  })
})

describe('whose identity counts', () => {
  test('CVE-2018-16886: the member’s own certificate is nobody’s identity', async () => {
    for (const headers of [{}, { accept: 'application/json' }, { 'grpc-metadata-grpcgateway-accept': '*/*' }])
      for (const path of gatewayPaths) assert.equal((await http1(path, { method: 'POST', headers })).status, 404)
    // The server's certificate says root; who calls has another.
    for (const more of [{}, { 'grpcgateway-accept': '*/*' }, { 'grpcgateway-authorization': tokens.root }])
      assert.equal((await call(headersOf('/etcdserverpb.KV/Range', more), getTreasure)).details, denied)
  })

  test('unreported: no header makes an identity, or takes one away', async () => {
    const header = { 'grpcgateway-accept': 'application/json', 'x-forwarded-for': '127.0.0.1', 'x-remote-user': 'root' }
    assert.equal((await call(headersOf('/etcdserverpb.KV/Range', header), getTreasure)).details, denied)
    const known = await call(headersOf('/etcdserverpb.KV/Range', header), getTreasure, cluster.certificates.client)
    assert.equal(known.grpcStatus, Code.Ok)
  })

  test('#22065: what was read for one is not served to another who asks the same', async () => {
    using client = clientOf(stranger)
    const get = RangeRequest.encode(rangeRequest({ key: bytes('treasure'), serializable: true })).finish()
    for (let n = 0; n < 3; n++) {
      const found = await client.unary('/etcdserverpb.KV/Range', get, { token: tokens.root })
      assert.equal(RangeResponse.decode(found).kvs.length, 1)
      assert.equal((await client.refusal('/etcdserverpb.KV/Range', get)).details, denied)
      assert.equal((await client.refusal('/etcdserverpb.KV/Range', get, { token: tokens.ann })).details, denied)
    }
  })
})

describe('what is asked and what is done', () => {
  test('CVE-2026-73499: a right to one key is none to all that follow', async () => {
    using client = clientOf(stranger)
    for (const [key, range_end] of [
      ['a', '\0'],
      ['a', 'a\0\0'],
      ['', '\0'],
      ['\0', '\0'],
      ['a', 'b'],
    ] as const) {
      const range = { key: bytes(key), range_end: bytes(range_end) }
      const watch = client.bidi('/etcdserverpb.Watch/Watch', { token: tokens.ann })
      watch.on('error', () => {})
      const value = { ...WatchCreateRequest.decode(new Uint8Array(0)), ...range }
      watch.write(Buffer.from(WatchRequest.encode({ request_union: { $case: 'create_request', value } }).finish()))
      const first = await new Promise<Buffer>((resolve) => watch.once('data', resolve))
      assert.match(WatchResponse.decode(first).cancel_reason, /permission denied/, JSON.stringify([key, range_end]))
      watch.cancel()
      if (key === '') continue
      const read = RangeRequest.encode(rangeRequest(range)).finish()
      const erase = DeleteRangeRequest.encode({ ...range, prev_kv: false }).finish()
      for (const [method, request] of [
        ['Range', read],
        ['DeleteRange', erase],
      ] as const)
        assert.equal(
          (await client.refusal(`/etcdserverpb.KV/${method}`, request, { token: tokens.ann })).details,
          denied,
        )
    }
    await stillThere()
  })

  test('CVE-2026-33186: a path that is not exactly a method’s is none, for root as for nobody', async () => {
    for (const path of ['/etcdserverpb.KV/Range', '/etcdserverpb.Auth/UserList']) {
      const [, service, method] = path.split('/')
      for (const odd of [
        ...[path.slice(1), `/${path}`, `${path}/`, `${path}?x`, `${path}#x`, `${path}%00`, `${path} `],
        ...[`/${service}//${method}`, `/${service}%2F${method}`, path.toLowerCase(), `/x/..${path}`, `/./${path}`],
        ...[`/grpc${path}`, `/${service}/${method!.toLowerCase()}`, `/.${service}/${method}`, '*', '/', '//'],
      ]) {
        for (const more of [{}, { token: tokens.root }]) {
          const { httpStatus, grpcStatus, body } = await call(headersOf(odd, more), getTreasure).catch(
            () => refusedBelow,
          )
          assert.ok(grpcStatus === Code.Unimplemented || httpStatus === 0 || httpStatus >= 400, `${odd}: ${grpcStatus}`)
          assert.equal(body.length, 0)
        }
      }
    }
  })
  const refusedBelow = { httpStatus: 0, grpcStatus: undefined, body: Buffer.alloc(0) }

  test('unreported: an order or a target of sorting that is none is refused, and ends nobody', async () => {
    using client = clientOf(stranger)
    for (const odd of [{ sort_target: 5 }, { sort_target: 99 }, { sort_order: 3 }, { sort_order: 2 ** 31 - 1 }]) {
      const request = RangeRequest.encode(rangeRequest({ key: bytes('a'), ...(odd as { sort_order?: 0 }) })).finish()
      const { code } = await client.refusal('/etcdserverpb.KV/Range', request, { token: tokens.ann })
      assert.equal(code, Code.InvalidArgument)
    }
    assert.ok(member.isRunning)
  })

  test('unreported: somebody unknown who writes much raises no alarm', async () => {
    const session = clientOf(stranger)
    using client = session
    for (let n = 0; n < 5; n++) {
      const request = PutRequest.encode(putRequest({ key: bytes('big'), value: new Uint8Array(1_500_000) })).finish()
      assert.equal((await client.refusal('/etcdserverpb.KV/Put', request)).details, denied)
      assert.equal((await client.refusal('/etcdserverpb.KV/Put', request, { token: 'x' })).details, invalidToken)
    }
    assert.equal(await cluster.etcdctl.ok('alarm', 'list'), '')
  })
})

describe('what nobody may learn', () => {
  test('CVE-2021-28235, TOB-012, #20941: no page, no log and no file has a password or a token', async () => {
    for (const name of ['root', 'ann'] as const) await logIn(name, passwords[name])
    await cluster.etcdctl.run(['get', 'a', '--user=ann:wrong-secret-3'])
    await http1('/v3/kv/range', { method: 'POST', headers: { authorization: tokens.root } })
    const secrets = [...Object.values(passwords), 'wrong-secret-3']
    secrets.push(...Object.values(tokens).map((token) => token.slice(0, 16)))
    const pages: string[] = []
    for (const url of [member.clientUrl, metricsUrl])
      for (const path of [...elsewhere, '/metrics', '/health', '/version', '/livez?verbose', '/readyz?verbose'])
        pages.push((await http1(path, {}, url)).body)
    const files = readdirSync(cluster.dir, { recursive: true, encoding: 'utf8' })
      .map((name) => join(cluster.dir, name))
      .filter((path) => statSync(path).isFile())
      .map((path) => readFileSync(path, 'latin1'))
    assert.ok(files.length > 2)
    for (const secret of secrets)
      for (const text of [...pages, ...files, member.log]) assert.ok(!text.includes(secret), `${secret} is in the open`)
  })

  test('GHSA-vjg6-93fv-qv64: a failed login is logged with who and from where, whatever kind of user it is', async () => {
    for (const [name, logged] of [
      ['ann', 'ann'],
      // It has no password, only a certificate.
      ['client', 'client'],
      ['no-such-user', 'unknown'],
    ] as const) {
      const from = member.log.length
      const refusal = await logIn(name, 'wrong-secret-3').catch((error: { details: string }) => error.details)
      assert.match(String(refusal), /authentication failed/)
      const line = await waitFor('a line in the log', () =>
        member.log
          .slice(from)
          .split('\n')
          .find((one) => one.includes('a login failed')),
      )
      assert.match(line, new RegExp(`"user":"${logged}"`))
      assert.match(line, /127\.0\.0\.1/)
      assert.ok(!line.includes('no-such-user'), 'a password that was typed for a name is not logged')
    }
  })

  test('CVE-2020-15115: a password of nothing is none', async () => {
    const { code, stderr } = await cluster.etcdctl.run(['user', 'add', 'weak:'])
    assert.notEqual(code, 0)
    assert.match(stderr, /Error:/)
    assert.doesNotMatch(await cluster.etcdctl.ok('user', 'list'), /weak/)
  })
})

describe('what costs too much', () => {
  test('CVE-2025-30204: a token of a megabyte of dots is refused as any other, and so are many', async () => {
    for (const length of [5000, 60_000, 1024 * 1024]) {
      const answer = call(headersOf('/etcdserverpb.KV/Range', { token: '.'.repeat(length) }), getTreasure)
      const { grpcStatus } = await answer.catch(() => ({ grpcStatus: undefined }))
      // Above what a header may be at all there is no call.
      assert.ok(grpcStatus === Code.Unauthenticated || (length > 10_000 && grpcStatus === undefined), `${length}`)
    }
    await stillThere()
  })

  test('CVE-2023-44487: who opens and resets streams in a loop is sent away, and others are served', async () => {
    const session = await http2()
    const gone = new Promise<void>((resolve) => {
      for (const event of ['goaway', 'close']) session.once(event, () => resolve())
    })
    for (let n = 0; n < 50_000 && !session.closed && !session.destroyed; n++) {
      const stream = session.request(headersOf('/etcdserverpb.Watch/Watch'))
      stream.on('error', () => {})
      stream.close(constants.NGHTTP2_CANCEL)
      if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await within('the end of the connection', gone)
    session.destroy()
    await stillThere()
  })

  test('CVE-2016-2183, GHSA-5x4g-q5rc-36jp: triple DES, RC4 and CBC are not agreed on', async () => {
    const target = member.clientUrl.replace('https://', '')
    const { certFile, keyFile } = stranger
    const handshake = (cipher: string) =>
      run(
        'openssl',
        ['s_client', '-connect', target, '-tls1_2', '-cipher', cipher, '-cert', certFile, '-key', keyFile],
        { input: 'Q\n' },
      )
    for (const cipher of ['3DES:@SECLEVEL=0', 'RC4:@SECLEVEL=0', 'ECDHE-ECDSA-AES128-SHA256', 'aNULL:@SECLEVEL=0']) {
      const { stdout } = await handshake(cipher)
      assert.doesNotMatch(stdout, /Cipher is [A-Z]+-/, cipher)
    }
    assert.match((await handshake('ECDHE-ECDSA-AES128-GCM-SHA256')).stdout, /Cipher is ECDHE-ECDSA-AES128-GCM-SHA256/)
  })
})

describe('what is not there', () => {
  test('TOB-005, v2: no gateway, no debugger, no v2 keys, on either listener', async () => {
    for (const url of [member.clientUrl, metricsUrl])
      for (const path of [...gatewayPaths, ...elsewhere])
        for (const method of ['GET', 'PUT', 'DELETE']) {
          const { status } = await http1(path, { method }, url)
          assert.equal(status, 404, `${method} ${path}`)
        }
    await stillThere()
  })

  test('#13565: the port of members serves no client call', async () => {
    const { client, peer } = cluster.certificates
    for (const identity of [client, { ...peer, caFile: client.caFile }])
      await assert.rejects(ask(`${member.peerUrl}/v3/kv/range`, identity, { timeoutMs: 3000 }))
  })

  test('CVE-2020-15114, TOB-005: there is no proxy that could be its own endpoint', async () => {
    for (const args of [
      ['gateway', 'start', `--endpoints=${member.clientUrl}`],
      ['grpc-proxy', 'start', `--endpoints=${member.clientUrl}`],
    ])
      assert.match((await run(leasehold, args)).stderr, /unknown command/)
    assert.match((await run(leasehold, ['serve', '--proxy=on'])).stderr, /--proxy/)
  })

  test('TOB-014, CVE-2020-15136: nobody is found by discovery', async () => {
    for (const flag of ['--discovery=http://127.0.0.1:1/size=-1', '--discovery-srv=example.com'])
      assert.match((await run(leasehold, ['serve', flag])).stderr, /not supported yet/)
  })

  test('a service that nobody knows is not there, for root either', async () => {
    const { details } = await call(headersOf('/etcdserverpb.Gateway/Range', { token: tokens.root }), getTreasure)
    assert.equal(details, 'unknown service etcdserverpb.Gateway')
  })
})
