import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Command } from 'commander'
import { CallError, connect } from '../../../src/cli/connection.ts'
import { type ConnectionOptions, endpointsOf, showingOf, withConnection } from '../../../src/cli/connection-options.ts'
import { CommandError } from '../../../src/cli/failure.ts'
import { tlsDefaults } from '../../../src/config/member-config.ts'
import { EtcdError } from '../../../src/errors.ts'
import type { Method } from '../../../src/grpc/method.ts'
import { TlsSource } from '../../../src/security/tls-source.ts'
import type { Call } from '../../../src/service/call.ts'
import { AuthenticateRequest, AuthenticateResponse } from '../../../src/wire/gen/rpc.ts'
import { serve, tableOf } from '../../support/grpc-harness.ts'
import { freePorts } from '../../support/ports.ts'
import { TestPki } from '../../support/test-pki.ts'

const defaults = { endpoints: '127.0.0.1:2379', dialTimeout: '2s', commandTimeout: '5s' }
const rangePath = '/etcdserverpb.KV/Range'

const row = (handler: (request: Uint8Array, call: Call) => Promise<Uint8Array> | Uint8Array): Partial<Method> => ({
  kind: 'unary',
  handler: (_member, request, call) => handler(request, call),
})

const healthy = { '/grpc.health.v1.Health/Check': row(() => new Uint8Array(0)) }

describe('endpoints', () => {
  for (const { name, options, want } of [
    { name: 'no word on TLS', options: { endpoints: '127.0.0.1:1,[::1]:2' }, want: ['127.0.0.1:1 -', '[::1]:2 -'] },
    { name: 'files say TLS', options: { endpoints: 'a.example:1', cacert: 'ca' }, want: ['a.example:1 tls'] },
    {
      name: 'the scheme says more',
      options: { endpoints: 'http://localhost:1', cacert: 'ca' },
      want: ['localhost:1 -'],
    },
    { name: 'https needs no files', options: { endpoints: 'https://a.example:1/' }, want: ['a.example:1 tls'] },
    { name: 'on purpose', options: { endpoints: 'a.example:1', insecureTransport: true }, want: ['a.example:1 -'] },
  ] satisfies { name: string; options: Partial<ConnectionOptions>; want: string[] }[])
    test(name, () => {
      const endpoints = endpointsOf({ ...defaults, ...options })
      assert.deepEqual(
        endpoints.map(({ address, isSecure }) => `${address} ${isSecure ? 'tls' : '-'}`),
        want,
      )
    })

  for (const endpoints of ['', ',', '127.0.0.1', 'localhost:x', 'http://localhost:1/path', 'ftp://localhost:1'])
    test(`${JSON.stringify(endpoints)} is refused`, () => {
      assert.throws(() => endpointsOf({ ...defaults, endpoints }), CommandError)
    })

  test('plaintext beyond this machine is not served by accident', () => {
    assert.throws(() => endpointsOf({ ...defaults, endpoints: '10.0.0.1:2379' }), /plaintext beyond this machine/)
  })
})

describe('who calls', () => {
  test('a password may hold a colon, and comes from elsewhere if the option is given', () => {
    const login = (name: string, password: string) => ({ kind: 'login', name, password })
    assert.deepEqual(showingOf({ ...defaults, user: 'ann:a:b' }), login('ann', 'a:b'))
    assert.deepEqual(showingOf({ ...defaults, user: 'ann', password: 'p' }), login('ann', 'p'))
    assert.throws(() => showingOf({ ...defaults, user: 'ann' }), /no password is given/)
  })

  test('one thing only', () => {
    assert.throws(() => showingOf({ ...defaults, user: 'ann:p', token: 't' }), /one of/)
  })

  test('what is typed counts before the environment', async (t) => {
    const read = async (...args: string[]): Promise<ConnectionOptions> => {
      let read: ConnectionOptions = defaults
      const command = withConnection(new Command()).action((options: ConnectionOptions) => {
        read = options
      })
      await command.parseAsync(args, { from: 'user' })
      return read
    }
    t.after(() => delete process.env.ETCDCTL_USER)
    process.env.ETCDCTL_USER = 'ann:p'
    assert.equal(showingOf(await read()).kind, 'login')
    assert.deepEqual(showingOf(await read('--token', 't')), { kind: 'token', token: 't' })
    assert.deepEqual(showingOf(await read('--user', 'bob:q')), { kind: 'login', name: 'bob', password: 'q' })
    assert.throws(() => showingOf({ ...defaults, user: 'ann:p', tokenFile: 'f' }), /one of/)
  })

  test('a token comes from a file, which a refusal does not quote', (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'connection-'))
    t.after(() => rmSync(dir, { recursive: true }))
    const tokenFile = join(dir, 'token')
    writeFileSync(tokenFile, 'abc.def\n')
    assert.deepEqual(showingOf({ ...defaults, tokenFile }), { kind: 'token', token: 'abc.def' })
    writeFileSync(tokenFile, 'two words')
    assert.throws(
      () => showingOf({ ...defaults, tokenFile }),
      (error) => error instanceof CommandError && !error.message.includes('words'),
    )
  })
})

describe('a client of a cluster', () => {
  test('goes on to the next endpoint if one is not there, and logs in', async () => {
    const shown: (string | null)[] = []
    const table = tableOf({
      ...healthy,
      '/etcdserverpb.Auth/Authenticate': row((bytes) => {
        const { name, password } = AuthenticateRequest.decode(bytes)
        return AuthenticateResponse.encode({ header: undefined, token: `${name}-${password}` }).finish()
      }),
      [rangePath]: row((request, call) => {
        shown.push(call.credentials === 'member' ? null : call.credentials.token)
        return request
      }),
    })
    await using served = await serve(table)
    const [dead] = await freePorts(1)
    const endpoints = `127.0.0.1:${dead},127.0.0.1:${served.port}`
    const client = await connect({ ...defaults, endpoints, user: 'ann', password: 'p' })
    try {
      assert.deepEqual([...(await client.unary(rangePath, Uint8Array.of(1, 2)))], [1, 2])
      assert.deepEqual(shown, ['ann-p'])
    } finally {
      client.close()
    }
  })

  test('repeats elsewhere only what may be repeated', async () => {
    let asked = 0
    const away = tableOf({
      ...healthy,
      [rangePath]: row(() => {
        asked++
        throw new EtcdError('noLeader')
      }),
    })
    await using first = await serve(away)
    await using second = await serve(away)
    const client = await connect({ ...defaults, endpoints: `127.0.0.1:${first.port},127.0.0.1:${second.port}` })
    try {
      const refused = (error: unknown): boolean => error instanceof CallError && error.message.includes('no leader')
      await assert.rejects(client.unary(rangePath, new Uint8Array(0)), refused)
      assert.equal(asked, 1)
      await assert.rejects(client.unary(rangePath, new Uint8Array(0), { isRepeatable: true }), refused)
      assert.equal(asked, 3)
    } finally {
      client.close()
    }
  })

  test('takes a certificate for the address that it called, and no other', async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'connection-'))
    t.after(() => rmSync(dir, { recursive: true }))
    const pki = new TestPki(dir)
    for (const { name, dnsNames, ipAddresses, isTaken } of [
      { name: 'here', dnsNames: [], ipAddresses: ['127.0.0.1'], isTaken: true },
      { name: 'elsewhere', dnsNames: ['localhost'], ipAddresses: ['127.0.0.9'], isTaken: false },
    ]) {
      const { certFile, keyFile } = pki.issue({ of: 'clients', name, dnsNames, ipAddresses })
      const tls = TlsSource.of({ ...tlsDefaults, certFile, keyFile, trustedCaFile: null, clientCertAuth: false })
      const listenUrls = [new URL('https://127.0.0.1:0')]
      await using served = await serve(tableOf({ ...healthy, [rangePath]: row((request) => request) }), {
        tls,
        listenUrls,
      })
      const client = await connect({
        ...defaults,
        endpoints: `127.0.0.1:${served.port}`,
        cacert: pki.caFile('clients'),
      })
      try {
        const asking = client.unary(rangePath, Uint8Array.of(7))
        if (isTaken) assert.deepEqual([...(await asking)], [7])
        else await assert.rejects(asking, /does not match certificate's altnames/)
      } finally {
        client.close()
      }
    }
  })
})
