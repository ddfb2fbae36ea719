import assert from 'node:assert/strict'
import { renameSync, writeFileSync } from 'node:fs'
import { connect as connectPlain, type Socket } from 'node:net'
import { after, afterEach, before, describe, test } from 'node:test'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import type { Log } from '../../../src/base/log.ts'
import type { TlsFiles } from '../../../src/config/member-config.ts'
import { issue, loadProfiles } from '../../../src/pki/index.ts'
import { clientTlsOptions } from '../../../src/security/tls-context.ts'
import { readTlsFiles } from '../../../src/security/tls-files.ts'
import { type Listener, type ListenOptions, listen } from '../../../src/security/tls-listener.ts'
import { TlsSource } from '../../../src/security/tls-source.ts'
import { waitFor } from '../../support/wait-for.ts'
import { type TestAuthority, testAuthority } from '../pki/test-authority.ts'

let authority: TestAuthority
let stranger: TestAuthority
let server: TlsFiles
let client: TlsFiles
before(() => {
  authority = testAuthority()
  stranger = testAuthority()
  server = authority.leaf('server')
  client = authority.leaf('client', { profile: 'client' })
})
after(() => {
  authority.remove()
  stranger.remove()
})

const listeners: Listener[] = []
afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener.close()
})

interface Harness {
  readonly listener: Listener
  readonly warnings: string[]
  readonly agreed: (string | false)[]
  readonly accepted: Socket[]
}

async function start(options: Partial<ListenOptions> = {}): Promise<Harness> {
  const warnings: string[] = []
  const agreed: (string | false)[] = []
  const accepted: Socket[] = []
  const note = (message: string, fields?: Record<string, unknown>) =>
    warnings.push(`${message} ${JSON.stringify(fields)}`)
  const log: Log = { debug() {}, info() {}, warn: note, error: note, fatal: note }
  const listener = await listen({
    url: new URL('https://127.0.0.1:0'),
    tls: server,
    alpn: ['h2', 'http/1.1'],
    reusePort: false,
    handshakeMsMax: 5000,
    log,
    onConnection(socket, alpn) {
      agreed.push(alpn)
      accepted.push(socket)
      socket.resume()
      socket.write('welcome')
    },
    ...options,
  })
  listeners.push(listener)
  return { listener, warnings, agreed, accepted }
}

/** Resolves with the greeting, or with why there was none. */
function greet(listener: Listener, options: ConnectionOptions): Promise<{ text: string; socket: TLSSocket }> {
  return new Promise((resolve) => {
    const socket = connectTls({ host: '127.0.0.1', port: listener.address.port, ...options })
    let text = ''
    socket.on('data', (chunk) => {
      text = String(chunk)
      resolve({ text, socket })
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve({ text: error.code ?? error.message, socket }))
    socket.on('close', () => resolve({ text: 'closed', socket }))
  })
}

const optionsOf = (files: TlsFiles, host = '127.0.0.1', alpn: string[] = []): ConnectionOptions =>
  clientTlsOptions(readTlsFiles(files), host, alpn)

describe('who gets in', () => {
  test('a client of the authority, over TLS 1.3', async () => {
    const { listener, warnings } = await start()
    const { text, socket } = await greet(listener, optionsOf(client))
    assert.equal(text, 'welcome')
    assert.equal(socket.getProtocol(), 'TLSv1.3')
    assert.deepEqual(warnings, [])
  })

  for (const { name, files, reason } of [
    {
      name: 'of another authority',
      files: () => ({ ...stranger.leaf('intruder', { profile: 'client' }), trustedCaFile: authority.caFile }),
      reason:
        /client certificate refused: UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT|CERT_SIGNATURE_FAILURE/,
    },
    {
      name: 'that has expired',
      files: () => authority.leaf('old', { profile: 'client' }, 40),
      reason: /client certificate refused: CERT_HAS_EXPIRED/,
    },
    {
      name: 'that is not valid yet',
      files: () => authority.leaf('early', { profile: 'client' }, -5),
      reason: /client certificate refused: CERT_NOT_YET_VALID/,
    },
    {
      name: 'that is meant for servers only',
      files: () => serverOnly(authority),
      reason: /client certificate refused: INVALID_PURPOSE/,
    },
  ]) {
    test(`not a client with a certificate ${name}`, async () => {
      const { listener, warnings, agreed } = await start()
      const { text } = await greet(listener, optionsOf(files()))
      assert.notEqual(text, 'welcome')
      await waitFor('it is logged', () => warnings.length > 0)
      assert.match(warnings[0]!, /TLS handshake refused .*"remote":"127\.0\.0\.1:\d+"/)
      assert.match(warnings[0]!, reason)
      assert.deepEqual(agreed, [])
    })
  }

  test('not a client without a certificate', async () => {
    const { listener, warnings, agreed } = await start()
    const { text } = await greet(listener, { ca: authority.credentials.certPem })
    assert.notEqual(text, 'welcome')
    await waitFor('it is logged', () => warnings.length > 0)
    assert.match(warnings[0]!, /PEER_DID_NOT_RETURN_A_CERTIFICATE/)
    assert.deepEqual(agreed, [])
  })

  test('anyone, if no authority is named', async () => {
    const { listener } = await start({ tls: { ...server, trustedCaFile: null, clientCertAuth: false } })
    assert.equal((await greet(listener, { ca: authority.credentials.certPem })).text, 'welcome')
  })

  test('a trusted CA file alone is enough to require certificates', async () => {
    const { listener } = await start({ tls: { ...server, clientCertAuth: false } })
    assert.notEqual((await greet(listener, { ca: authority.credentials.certPem })).text, 'welcome')
  })

  for (const { name, options } of [
    {
      name: 'TLS 1.1',
      options: { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const,
    },
    {
      name: 'CBC',
      options: { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA' } as const,
    },
    { name: 'no forward secrecy', options: { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' } as const },
  ]) {
    test(`not a client that can only do ${name}`, async () => {
      const { listener, agreed } = await start()
      assert.notEqual((await greet(listener, { ...optionsOf(client), ...options })).text, 'welcome')
      assert.deepEqual(agreed, [])
    })
  }

  for (const { name, offered, want } of [
    { name: 'the first of ours that is offered', offered: ['http/1.1', 'h2'], want: 'h2' },
    { name: 'the only common one', offered: ['spdy/1', 'http/1.1'], want: 'http/1.1' },
    { name: 'none, if none is offered', offered: [], want: false },
  ] as const) {
    test(`ALPN: ${name}`, async () => {
      const { listener, agreed } = await start()
      assert.equal((await greet(listener, optionsOf(client, '127.0.0.1', [...offered]))).text, 'welcome')
      assert.deepEqual(agreed, [want])
    })
  }

  test('ALPN: refused if nothing is in common', async () => {
    const { listener, agreed } = await start()
    assert.notEqual((await greet(listener, optionsOf(client, '127.0.0.1', ['spdy/1']))).text, 'welcome')
    assert.deepEqual(agreed, [])
  })

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`no session is resumed past the check of the certificate (${maxVersion})`, async () => {
      const { listener } = await start()
      let session: Buffer | undefined
      const first = await greet(listener, { ...optionsOf(client), maxVersion })
      first.socket.on('session', (each) => {
        session = each
      })
      session ??= first.socket.getSession()
      assert.ok(session !== undefined)
      const second = await greet(listener, { ...optionsOf(client), maxVersion, session })
      assert.equal(second.text, 'welcome')
      assert.equal(second.socket.isSessionReused(), false)
      const { cert: _cert, key: _key, ...bare } = optionsOf(client)
      const third = await greet(listener, { ...bare, maxVersion, session })
      assert.notEqual(third.text, 'welcome')
    })
  }
})

describe('whom a dialer trusts', () => {
  for (const { name, files, host, reason } of [
    { name: 'an address that the certificate does not name', files: () => server, host: '10.9.8.7', reason: /ALTNAME/ },
    { name: 'a host that the certificate does not name', files: () => server, host: 'example.net', reason: /ALTNAME/ },
    {
      name: 'a common name in place of a name',
      files: () => authority.leaf('localhost', { profile: 'client', dnsNames: [], ipAddresses: [], uris: ['a:b'] }),
      host: 'localhost',
      reason: /INVALID_PURPOSE/,
    },
    { name: 'a client certificate', files: () => client, host: '127.0.0.1', reason: /INVALID_PURPOSE/ },
    {
      name: 'another authority',
      files: () => stranger.leaf('fake'),
      host: '127.0.0.1',
      reason: /VERIFY|SELF_SIGNED/,
    },
    {
      name: 'an expired certificate',
      files: () => authority.leaf('stale', {}, 40),
      host: '127.0.0.1',
      reason: /EXPIRED/,
    },
  ]) {
    test(`not ${name}`, async () => {
      const { listener, agreed } = await start({ tls: files() })
      const { text } = await greet(listener, optionsOf(client, host))
      assert.match(text, reason)
      assert.deepEqual(agreed, [])
    })
  }

  test('a certificate for that name', async () => {
    const { listener } = await start()
    assert.equal((await greet(listener, optionsOf(client, 'localhost'))).text, 'welcome')
  })
})

describe('the listener itself', () => {
  test('plaintext needs no files', async () => {
    const { listener, agreed } = await start({ url: new URL('http://127.0.0.1:0'), tls: null })
    const socket = connectPlain(listener.address.port, '127.0.0.1')
    const chunk = await new Promise<unknown>((resolve) => socket.once('data', resolve))
    assert.equal(String(chunk), 'welcome')
    assert.deepEqual(agreed, [false])
  })

  test('what is no TLS, or stops in the middle, does no harm', async () => {
    // Enough for the good one at the end on a busy machine, too.
    const { listener, warnings, agreed } = await start({ handshakeMsMax: 1000 })
    const hostile = [
      'GET / HTTP/1.1\r\n\r\n',
      '',
      '\x16\x03\x01\x02\x00',
      '\xff'.repeat(100_000),
      'PRI * HTTP/2.0\r\n\r\n',
    ]
    await Promise.all(
      hostile.map((text) => {
        const socket = connectPlain(listener.address.port, '127.0.0.1')
        socket.on('error', () => {})
        socket.write(Buffer.from(text, 'latin1'))
        socket.resume()
        return new Promise((resolve) => socket.once('close', resolve))
      }),
    )
    const reset = connectPlain(listener.address.port, '127.0.0.1')
    reset.on('error', () => {})
    reset.once('connect', () => reset.resetAndDestroy())
    await waitFor('all are logged', () => warnings.length >= hostile.length)
    assert.ok(warnings.some((line) => line.includes('ERR_TLS_HANDSHAKE_TIMEOUT')))
    assert.deepEqual(agreed, [])
    assert.equal((await greet(listener, optionsOf(client))).text, 'welcome')
  })

  test('a reset by an accepted client does no harm', async () => {
    const { listener, accepted } = await start({ url: new URL('http://127.0.0.1:0'), tls: null })
    const socket = connectPlain(listener.address.port, '127.0.0.1')
    socket.once('data', () => socket.resetAndDestroy())
    await waitFor('its socket is gone', () => accepted.length === 1 && accepted[0]!.destroyed)
  })

  test('closing ends everything, also unfinished handshakes, and is repeatable', async () => {
    const { listener } = await start()
    const { socket } = await greet(listener, optionsOf(client))
    const pending = connectPlain(listener.address.port, '127.0.0.1')
    pending.on('error', () => {})
    await new Promise((resolve) => pending.once('connect', resolve))
    const ends = [socket, pending].map((each) => new Promise((resolve) => each.once('close', resolve)))
    await listener.close()
    await Promise.all(ends)
    await listener.close()
  })

  test('a renewed certificate is used after reload; an unusable one leaves the old in place', async () => {
    const files = authority.leaf('renewed')
    const source = TlsSource.of(files)
    const { listener } = await start({ tls: source })
    const serial = async () => {
      const { socket } = await greet(listener, optionsOf(client))
      return socket.getPeerCertificate().serialNumber
    }
    const first = await serial()
    const next = authority.leaf('next')
    renameSync(next.certFile, files.certFile)
    assert.throws(() => source.reload(), { name: 'TlsFileError', message: /does not belong/ })
    assert.equal(await serial(), first)
    renameSync(next.keyFile, files.keyFile)
    source.reload()
    assert.notEqual(await serial(), first)
  })

  test('an address in use is refused, unless it is shared on purpose', async () => {
    const { listener } = await start({ reusePort: true })
    const url = new URL(`https://127.0.0.1:${listener.address.port}`)
    await assert.rejects(start({ url }), { code: 'EADDRINUSE' })
    await start({ url, reusePort: true })
  })

  test('other schemes, and TLS without files, are refused', async () => {
    await assert.rejects(start({ url: new URL('unix://x') }), /scheme must be http or https/)
    await assert.rejects(start({ tls: null }), /no certificate and key file given/)
  })
})

/** No profile makes one: a server's certificate that a client presents. */
function serverOnly(from: TestAuthority): TlsFiles {
  const template = from.leaf('server-only', { profile: 'member' })
  const serverOnlyFiles = issueServerOnly(from)
  writeFileSync(template.certFile, serverOnlyFiles.certPem)
  writeFileSync(template.keyFile, serverOnlyFiles.keyPem)
  return template
}

function issueServerOnly(from: TestAuthority) {
  const profiles = loadProfiles()
  const { certificates } = profiles
  return issue(
    from.credentials,
    { profile: 'member', commonName: 's', dnsNames: ['localhost'], ipAddresses: [], uris: [], validityDays: 10 },
    {
      ...profiles,
      certificates: { ...certificates, member: { ...certificates.member, extendedKeyUsage: ['serverAuth'] } },
    },
  )
}
