import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import type { Log } from '../../../src/base/log.ts'
import { type TlsFiles, tlsDefaults } from '../../../src/config/member-config.ts'
import { randomSerial, signCertificate } from '../../../src/pki/certificate.ts'
import * as der from '../../../src/pki/der.ts'
import { publishRevocations, revoke } from '../../../src/pki/index.ts'
import { DialerTls } from '../../../src/security/dialer-tls.ts'
import { clientTlsOptions } from '../../../src/security/tls-context.ts'
import { readTlsFiles } from '../../../src/security/tls-files.ts'
import { type Listener, listen } from '../../../src/security/tls-listener.ts'
import { TlsSource } from '../../../src/security/tls-source.ts'
import { oids, pem, readCertificates } from '../../../src/x509/index.ts'
import { waitFor } from '../../support/wait-for.ts'
import { TestFolder } from '../pki/test-folder.ts'

/** An authority with a published list, and files of certificates that it issued. */
class World extends TestFolder {
  readonly warnings: string[] = []
  readonly log: Log
  #listener: Listener | null = null
  #source: TlsSource | null = null

  constructor() {
    super()
    const note = (message: string, fields?: Record<string, unknown>) =>
      void this.warnings.push(`${message} ${JSON.stringify(fields)}`)
    this.log = { debug() {}, info() {}, warn: note, error: note, fatal: note }
    this.init()
    publishRevocations({ dir: this.path('ca') })
  }

  files(name: string, more: Partial<TlsFiles> = {}, profile = 'member'): TlsFiles {
    const { certFile, keyFile } = this.issue(name, { profile, ipAddresses: ['127.0.0.1'] })
    return {
      ...tlsDefaults,
      certFile,
      keyFile,
      trustedCaFile: this.path('ca', 'ca.crt'),
      clientCertAuth: true,
      crlFile: this.path('ca', 'crl.pem'),
      ...more,
    }
  }

  async listen(tls: TlsFiles): Promise<Listener> {
    this.#source = TlsSource.of(tls)
    this.#listener = await listen({
      url: new URL('https://127.0.0.1:0'),
      tls: this.#source,
      alpn: [],
      reusePort: false,
      handshakeMsMax: 5000,
      log: this.log,
      onConnection(socket: Socket) {
        socket.resume()
        socket.write('welcome')
      },
    })
    return this.#listener
  }

  /** The files of the listener that was made last. */
  reload(): void {
    this.#source!.reload()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener?.close()
    this[Symbol.dispose]()
  }
}

/** Resolves with the greeting, or with how the connection ended. */
function greet(listener: Listener, options: ConnectionOptions): Promise<{ text: string; socket: TLSSocket }> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: listener.address.port, ...options })
    socket.on('data', (chunk) => resolve({ text: String(chunk), socket }))
    socket.on('error', () => {})
    socket.on('close', () => resolve({ text: 'closed', socket }))
  })
}

const as = (files: TlsFiles): ConnectionOptions =>
  clientTlsOptions(readTlsFiles({ ...files, crlFile: null }), '127.0.0.1', [])

const closed = (socket: TLSSocket): Promise<unknown> => waitFor('the connection is closed', () => socket.closed)

test('a revoked client does not get in, and the log says why', async () => {
  await using world = new World()
  const server = world.files('server')
  const client = world.files('client', {}, 'client')
  const other = world.files('other', {}, 'client')
  const { revoked } = revoke({ dir: world.path('ca'), serial: serialOf(client), reason: 'keyCompromise' })
  const listener = await world.listen(server)
  assert.equal((await greet(listener, as(client))).text, 'closed')
  assert.match(
    world.warnings.join('\n'),
    new RegExp(`certificate serial ${revoked.serial} revoked \\(keyCompromise\\)`),
  )
  const { text, socket } = await greet(listener, as(other))
  assert.equal(text, 'welcome')
  socket.destroy()
})

test('the live connection of a client that is revoked is closed, and no other', async () => {
  await using world = new World()
  const client = world.files('client', {}, 'client')
  const other = world.files('other', {}, 'client')
  const listener = await world.listen(world.files('server'))
  const [first, second] = [await greet(listener, as(client)), await greet(listener, as(other))]
  assert.deepEqual([first.text, second.text], ['welcome', 'welcome'])
  revoke({ dir: world.path('ca'), serial: serialOf(client), reason: 'superseded' })
  world.reload()
  await closed(first.socket)
  assert.equal(second.socket.closed, false)
  assert.match(
    world.warnings.join('\n'),
    /closed a connection whose certificate is no longer good .*revoked \(superseded\)/,
  )
  second.socket.destroy()
})

test('a session of before does not bring a revoked client back', async () => {
  await using world = new World()
  const client = world.files('client', {}, 'client')
  const listener = await world.listen(world.files('server'))
  const first = await greet(listener, { ...as(client), maxVersion: 'TLSv1.2' })
  assert.equal(first.text, 'welcome')
  const session = first.socket.getSession()
  revoke({ dir: world.path('ca'), serial: serialOf(client), reason: 'superseded' })
  world.reload()
  await closed(first.socket)
  const again = await greet(listener, { ...as(client), maxVersion: 'TLSv1.2', session })
  assert.equal(again.text, 'closed')
  assert.notEqual(again.socket.isSessionReused(), true)
})

test('connections of an authority that is no longer trusted are closed', async () => {
  await using world = new World()
  world.init('new')
  const bundle = world.write('bundle.pem', world.read('ca', 'ca.crt') + world.read('new', 'ca.crt'))
  const tls = world.files('server', { trustedCaFile: bundle, crlFile: null })
  const listener = await world.listen(tls)
  const { text, socket } = await greet(listener, as(world.files('client', {}, 'client')))
  assert.equal(text, 'welcome')
  writeFileSync(bundle, world.read('new', 'ca.crt'))
  world.reload()
  await closed(socket)
  assert.match(world.warnings.join('\n'), /its certificate is not of a trusted authority/)
})

test('a dialer does not talk to a revoked server, and leaves one that is revoked', async () => {
  await using world = new World()
  const server = world.files('server')
  const listener = await world.listen({ ...server, crlFile: null })
  const dialer = new DialerTls(world.files('dialer'), world.log)
  const dial = async (): Promise<{ socket: TLSSocket; refusal: string | null }> => {
    const socket = connect({
      host: '127.0.0.1',
      port: listener.address.port,
      ...clientTlsOptions(dialer.material, '127.0.0.1', []),
    })
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
    return { socket, refusal: dialer.refusalOf(socket) }
  }
  const before = await dial()
  assert.equal(before.refusal, null)
  revoke({ dir: world.path('ca'), serial: serialOf(server), reason: 'keyCompromise' })
  dialer.reload()
  await closed(before.socket)
  const after = await dial()
  assert.match(after.refusal ?? '', /revoked \(keyCompromise\)/)
  after.socket.destroy()
  dialer.close()
})

test('an overdue list is good for the grace, then nobody gets in', async () => {
  await using world = new World()
  const list = world.path('stale.pem')
  const due = new Date(Date.now() - 60_000)
  signList(world, due, list)
  const client = world.files('client', {}, 'client')
  const files = world.files('server', { crlFile: list, crlGraceMs: 3_600_000 })
  const within = await world.listen(files)
  const { text, socket } = await greet(within, as(client))
  assert.equal(text, 'welcome')
  assert.match(readTlsFiles(files).warnings.join('\n'), /the revocation list of .* is stale since/)
  socket.destroy()
  await within.close()
  const beyond = await world.listen(world.files('server2', { crlFile: list, crlGraceMs: 1000 }))
  assert.equal((await greet(beyond, as(client))).text, 'closed')
  assert.match(world.warnings.at(-1) ?? '', /TLS handshake refused .*is stale since/)
})

for (const { name, spoil, reason } of [
  {
    name: 'of another authority',
    spoil: (world: World, file: string) => {
      world.init('other')
      publishRevocations({ dir: world.path('other') })
      copyFileSync(world.path('other', 'crl.pem'), file)
    },
    reason: /its issuer is none of the trusted authorities/,
  },
  {
    name: 'with a flipped bit',
    spoil: (world: World, file: string) => {
      const der = Buffer.from(world.read('ca', 'crl.pem').replace(/-----.*-----|\s/g, ''), 'base64')
      der[der.length - 5]! ^= 1
      writeFileSync(file, `-----BEGIN X509 CRL-----\n${der.toString('base64')}\n-----END X509 CRL-----\n`)
    },
    reason: /signature/,
  },
  {
    name: 'cut short',
    spoil: (_: World, file: string) => writeFileSync(file, readFileSync(file).subarray(0, 120)),
    reason: /crl\.pem: /,
  },
  { name: 'empty', spoil: (_: World, file: string) => writeFileSync(file, ''), reason: /crl\.pem: it is empty/ },
  {
    name: 'older than the one in use',
    spoil: (world: World, file: string) => copyFileSync(world.path('old.pem'), file),
    reason: /number 1 is older than number 2, which is in use/,
  },
]) {
  test(`a list ${name} changes nothing`, async () => {
    await using world = new World()
    copyFileSync(world.path('ca', 'crl.pem'), world.path('old.pem'))
    const client = world.files('client', {}, 'client')
    revoke({ dir: world.path('ca'), serial: serialOf(client), reason: 'superseded' })
    const file = world.path('crl.pem')
    copyFileSync(world.path('ca', 'crl.pem'), file)
    const listener = await world.listen(world.files('server', { crlFile: file }))
    spoil(world, file)
    assert.throws(() => world.reload(), { name: 'TlsFileError', message: reason })
    assert.equal((await greet(listener, as(client))).text, 'closed')
    const { text, socket } = await greet(listener, as(world.files('other', {}, 'client')))
    assert.equal(text, 'welcome')
    socket.destroy()
  })
}

test('only the common names and host names that are allowed get in', async () => {
  await using world = new World()
  const member = world.files('member-1')
  const client = world.files('client', {}, 'client')
  const byName = await world.listen(world.files('server', { allowedCommonNames: ['member-1', 'member-2'] }))
  assert.equal((await greet(byName, as(client))).text, 'closed')
  assert.match(world.warnings.at(-1) ?? '', /client certificate authentication failed: common name of CN=client/)
  const welcome = await greet(byName, as(member))
  assert.equal(welcome.text, 'welcome')
  welcome.socket.destroy()
  await byName.close()
  const byHost = await world.listen(world.files('server2', { allowedHostname: 'member.example' }))
  assert.equal((await greet(byHost, as(member))).text, 'closed')
  assert.match(world.warnings.at(-1) ?? '', /its certificate is not for member\.example/)
})

function serialOf({ certFile }: TlsFiles): string {
  return readTlsFiles({
    ...tlsDefaults,
    certFile,
    keyFile: certFile.replace('.crt', '.key'),
    trustedCaFile: null,
    clientCertAuth: false,
  }).leaf.serialNumber
}

/** A list that was due at `nextUpdate`, by OpenSSL: our own authority does not date lists back. */
function signList(world: World, nextUpdate: Date, out: string): void {
  const stamp = (at: number): string => `${new Date(at).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`
  world.write('index.txt', '')
  world.write('crlnumber', '05\n')
  world.write('ca.cnf', '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\n')
  const last = stamp(nextUpdate.getTime() - 3_600_000)
  world.openssl(
    ...['ca', '-config', 'ca.cnf', '-gencrl', '-cert', 'ca/ca.crt', '-keyfile', 'ca/ca-1.key'],
    ...['-crl_lastupdate', last, '-crl_nextupdate', stamp(nextUpdate.getTime()), '-out', out],
  )
}

test('a chain by way of an intermediate authority is followed, and looked up in the lists of both', async () => {
  await using world = new World()
  world.init('root', { kind: 'parent' })
  world.init('between', { parent: { dir: world.path('root'), passphrase: null } })
  publishRevocations({ dir: world.path('root') })
  publishRevocations({ dir: world.path('between') })
  const lists = world.write(
    'lists.pem',
    world.read('root', 'crl.pem') + world.read('between', 'crl.pem') + world.read('ca', 'crl.pem'),
  )
  const { certFile, keyFile } = world.issue('far', { dir: world.path('between'), profile: 'client' })
  const client = { ...world.files('unused', {}, 'client'), certFile, keyFile }
  // What it does not present must be trusted here; an intermediate authority's list needs it in any case.
  const trusted = world.write(
    'trusted.pem',
    world.read('root', 'ca.crt') + world.read('between', 'ca-1.crt') + world.read('ca', 'ca.crt'),
  )
  const listener = await world.listen(world.files('server', { trustedCaFile: trusted, crlFile: lists }))
  const { text, socket } = await greet(listener, as(client))
  assert.equal(text, 'welcome')
  socket.destroy()
  await listener.close()

  const roots = world.write('roots.pem', world.read('root', 'ca.crt') + world.read('ca', 'ca.crt'))
  const rootOnly = await world.listen(world.files('server2', { trustedCaFile: roots, crlFile: null }))
  const through = await greet(rootOnly, as(client))
  assert.equal(through.text, 'welcome')
  through.socket.destroy()
  const [leaf] = readFileSync(certFile, 'latin1').match(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----\n/g)!
  const alone = { ...client, certFile: world.write('alone.crt', leaf!) }
  assert.equal((await greet(rootOnly, as(alone))).text, 'closed')
  assert.match(world.warnings.at(-1) ?? '', /UNABLE_TO_GET_ISSUER_CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE/)
})

for (const { name, names, commonName = 'x', reason } of [
  { name: 'a NUL in a name', names: ['DNS:good.test\\0.evil.test'], reason: /malformed name \(dns good\.test/ },
  { name: 'a name that is not ASCII', names: ['DNS:gооd.test'], reason: /malformed name \(dns / },
  ...[
    { count: 3000, reason: /has 3000 names, more than 1000/ },
    { count: 10_000, reason: /EXCESSIVE_MESSAGE_SIZE/ },
  ].map(({ count, reason }) => ({
    name: `${count} names`,
    names: Array.from({ length: count }, (_, i) => `DNS:n${i}.test`),
    reason,
  })),
  {
    name: 'a common name that is written backwards',
    commonName: 'admin\u202eresu',
    names: [],
    reason: /malformed subject/,
  },
]) {
  test(`hostile names are refused: ${name}`, async () => {
    await using world = new World()
    const hostile = hostileLeaf(world, commonName, names)
    const listener = await world.listen(world.files('server', { crlFile: null }))
    assert.equal((await greet(listener, hostile)).text, 'closed')
    assert.match(world.warnings.at(-1) ?? '', reason)
    const good = await greet(listener, as(world.files('good', {}, 'client')))
    assert.equal(good.text, 'welcome')
    good.socket.destroy()
  })
}

/** What our own authority would not sign. In `names`, \0 is a NUL. */
function hostileLeaf(world: World, commonName: string, names: readonly string[]): ConnectionOptions {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const text = (file: string): string => world.read('ca', file)
  const [authority] = readCertificates(Buffer.from(text('ca-1.crt')))
  const name = der.sequence(der.set(der.sequence(der.oid(oids.commonName), der.utf8String(commonName))))
  const dnsNames = names.map((each) =>
    der.implicit(2, Buffer.from(each.slice('DNS:'.length).replaceAll('\\0', '\0'), 'utf8')),
  )
  const now = Date.now()
  const extension = (id: string, value: der.Der): der.Der =>
    der.sequence(der.oid(id), der.octetString(der.encode(value)))
  const certificate = signCertificate(
    {
      serial: randomSerial(),
      issuer: der.decode(authority!.subject.der),
      subject: name,
      notBefore: new Date(now - 60_000),
      notAfter: new Date(now + 3_600_000),
      publicKey,
      extensions: [
        extension(oids.extendedKeyUsage, der.sequence(der.oid(oids.clientAuth))),
        ...(dnsNames.length > 0 ? [extension(oids.subjectAltName, der.sequenceOf(dnsNames))] : []),
      ],
    },
    createPrivateKey(text('ca-1.key')),
  )
  return {
    ca: text('ca.crt'),
    cert: pem('CERTIFICATE', certificate),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  }
}
