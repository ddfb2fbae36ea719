import assert from 'node:assert/strict'
import { appendFileSync, chmodSync, copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { type Log, silentLog } from '../../../src/base/log.ts'
import { type TlsFiles, tlsDefaults } from '../../../src/config/member-config.ts'
import { publishRevocations, revoke } from '../../../src/pki/index.ts'
import { MemberTls } from '../../../src/security/member-tls.ts'
import { checkTlsContents } from '../../../src/security/tls-files.ts'
import { TlsSource } from '../../../src/security/tls-source.ts'
import { pem, readCertificates } from '../../../src/x509/index.ts'
import { waitFor } from '../../support/wait-for.ts'
import { testAuthority } from '../pki/test-authority.ts'
import { TestFolder } from '../pki/test-folder.ts'

/** One side's files, the other side without TLS. */
class World extends TestFolder {
  readonly errors: string[] = []
  readonly infos: string[] = []
  readonly files: TlsFiles
  readonly tls: MemberTls

  constructor() {
    super()
    this.init()
    publishRevocations({ dir: this.path('ca') })
    const { certFile, keyFile } = this.issue('m1')
    this.files = {
      ...tlsDefaults,
      certFile,
      keyFile,
      trustedCaFile: this.write('ca.crt', this.read('ca', 'ca.crt')),
      clientCertAuth: true,
      crlFile: this.write('crl.pem', this.read('ca', 'crl.pem')),
    }
    const log: Log = {
      ...silentLog,
      info: (message) => void this.infos.push(message),
      error: (message, fields) => void this.errors.push(`${message} ${JSON.stringify(fields)}`),
    }
    this.tls = new MemberTls({ clientTls: this.files, peerTls: null }, log)
  }

  get serial(): string {
    return this.tls.client!.material.chain[0]!.serial
  }

  override [Symbol.dispose](): void {
    this.tls.stop()
    super[Symbol.dispose]()
  }
}

for (const { name, spoil, reason } of [
  {
    name: 'an empty certificate',
    spoil: (w: World) => writeFileSync(w.files.certFile, ''),
    reason: /m1\.crt: it is empty/,
  },
  {
    name: 'an authority that everyone may replace',
    spoil: (w: World) => chmodSync(w.files.trustedCaFile!, 0o666),
    reason: /ca\.crt: trusted CA file can be written by everyone/,
  },
  {
    name: 'half a certificate',
    spoil: (w: World) => writeFileSync(w.files.certFile, readFileSync(w.files.certFile).subarray(0, 300)),
    reason: /m1\.crt: PEM block 1 \(CERTIFICATE\) does not end/,
  },
  {
    name: 'a whole certificate and half of the next one',
    spoil: (w: World) => appendFileSync(w.files.certFile, readFileSync(w.files.certFile).subarray(0, 300)),
    reason: /PEM block 2 \(CERTIFICATE\) does not end/,
  },
  {
    name: 'a certificate with a flipped bit that only OpenSSL sees',
    spoil: (w: World) => spoilNameType(w.files.certFile, 'm1'),
    reason: /m1\.crt: OpenSSL cannot read the certificate/,
  },
  {
    name: 'an authority with a flipped bit that only OpenSSL sees',
    spoil: (w: World) => spoilNameType(w.files.trustedCaFile!, 'authority ca'),
    reason: /ca\.crt: OpenSSL cannot read the certificate/,
  },
  {
    name: 'a key of another certificate',
    spoil: (w: World) => copyFileSync(w.issue('m2').keyFile, w.files.keyFile),
    reason: /the private key does not belong to the certificate/,
  },
  {
    name: 'half a bundle of authorities',
    spoil: (w: World) => appendFileSync(w.files.trustedCaFile!, '-----BEGIN CERTIFICATE-----\nMIIB'),
    reason: /ca\.crt: PEM block 2 \(CERTIFICATE\) does not end/,
  },
  {
    name: 'a leaf in place of an authority',
    spoil: (w: World) => copyFileSync(w.files.certFile, w.files.trustedCaFile!),
    reason: /is not a certificate authority/,
  },
  {
    name: 'no list at all',
    spoil: (w: World) => renameSync(w.files.crlFile!, w.path('away')),
    reason: /cannot read revocation list: ENOENT/,
  },
  {
    name: 'a certificate that is expired',
    spoil: (w: World) => replaceWith(w, {}, 40),
    reason: /m1\.crt: certificate CN=m1 expired on/,
  },
  {
    name: 'a certificate that is not valid yet',
    spoil: (w: World) => replaceWith(w, {}, -5),
    reason: /m1\.crt: certificate CN=m1 is not valid before/,
  },
  {
    name: 'a certificate for clients only',
    spoil: (w: World) => replaceWith(w, { profile: 'client', dnsNames: [], ipAddresses: [] }, 0),
    reason: /is not for servers/,
  },
  {
    name: 'a key that is too weak',
    spoil: (w: World) => {
      w.openssl(
        'req',
        '-x509',
        '-newkey',
        'rsa:1024',
        '-nodes',
        '-subj',
        '/CN=weak',
        '-keyout',
        'weak.key',
        '-out',
        'weak.crt',
      )
      copyFileSync(w.path('weak.key'), w.files.keyFile)
      copyFileSync(w.path('weak.crt'), w.files.certFile)
    },
    reason: /an RSA key of 1024 bits is too weak/,
  },
]) {
  test(`${name} changes nothing, and the log says why`, () => {
    using world = new World()
    const { material } = world.tls.client!
    spoil(world)
    world.tls.reload()
    assert.equal(world.tls.client!.material, material)
    assert.match(world.errors[0]!, reason)
    assert.match(world.tls.status().reloadProblem ?? '', reason)
    assert.deepEqual(world.tls.status().reloads, { succeeded: 0, failed: 1 })
  })
}

test('a certificate file that changes before its key is taken when both are there, without being told', async () => {
  using world = new World()
  const before = world.serial
  world.tls.start()
  const { certFile, keyFile } = world.issue('m2')
  renameSync(certFile, world.files.certFile)
  await waitFor('the half is noticed', () => world.errors.length > 0)
  assert.equal(world.serial, before)
  renameSync(keyFile, world.files.keyFile)
  await waitFor('both are in use', () => world.serial !== before)
  assert.equal(world.tls.status().reloadProblem, null)
})

test('what changed between the first reading and the start of the watch is in use, too', () => {
  using world = new World()
  revoke({ dir: world.path('ca'), serial: world.serial, reason: 'keyCompromise' })
  copyFileSync(world.path('ca', 'crl.pem'), world.files.crlFile!)
  world.tls.start()
  assert.equal(world.tls.status().lists[0]!.number, 2n)
})

test('files that have not changed are not read again at the start of the watch', () => {
  using world = new World()
  world.tls.start()
  assert.deepEqual(world.tls.status().reloads, { succeeded: 0, failed: 0 })
})

test('files that never rest are not read', async () => {
  using world = new World()
  world.tls.start()
  const writing = setInterval(() => appendFileSync(world.files.certFile, '\n'), 20)
  await new Promise((resolve) => setTimeout(resolve, 1000))
  clearInterval(writing)
  assert.deepEqual(world.infos, [])
  await waitFor('they are read when they rest', () => world.infos.length > 0)
})

test('an older list stays out after the newer one was taken away for a while', () => {
  using world = new World()
  world.init('other')
  publishRevocations({ dir: world.path('other') })
  const old = world.read('crl.pem')
  const both = world.read('ca', 'ca.crt') + world.read('other', 'ca.crt')
  revoke({ dir: world.path('ca'), serial: world.serial, reason: 'keyCompromise' })
  writeFileSync(world.files.trustedCaFile!, both)
  copyFileSync(world.path('ca', 'crl.pem'), world.files.crlFile!)
  world.tls.reload()
  copyFileSync(world.path('other', 'crl.pem'), world.files.crlFile!)
  world.tls.reload()
  assert.deepEqual(world.errors, [])
  writeFileSync(world.files.crlFile!, old)
  world.tls.reload()
  assert.match(world.errors[0]!, /number 1 is older than number 2/)
})

test('a thread that starts later uses what is in use, not what stands on disk', () => {
  using world = new World()
  const old = world.read('crl.pem')
  revoke({ dir: world.path('ca'), serial: world.serial, reason: 'keyCompromise' })
  copyFileSync(world.path('ca', 'crl.pem'), world.files.crlFile!)
  world.tls.reload()
  writeFileSync(world.files.crlFile!, old)
  // As it crosses to the thread.
  const contents = structuredClone(world.tls.client!.material.contents)
  const source = new TlsSource(checkTlsContents(contents))
  assert.equal(source.material.revocations!.lists()[0]!.number, 2n)
})

test('the status names what is in use', () => {
  using world = new World()
  const { certificates, lists } = world.tls.status()
  assert.deepEqual(
    certificates.map(({ port, role, file, subject }) => ({ port, role, file, subject })),
    [
      { port: 'client', role: 'own', file: world.files.certFile, subject: 'CN=m1' },
      { port: 'client', role: 'authority', file: world.files.trustedCaFile, subject: 'CN=authority ca' },
    ],
  )
  assert.ok(certificates.every(({ notAfterMs }) => notAfterMs > Date.now()))
  const [list] = lists
  assert.equal(list!.number, 1n)
  assert.equal(list!.refusesFromMs, list!.nextUpdateMs! + tlsDefaults.crlGraceMs)
})

/** The last UTF8String of that value becomes an OCTET STRING: sound DER, and no type for a name. */
function spoilNameType(file: string, value: string): void {
  const der = Buffer.from(readCertificates(readFileSync(file))[0]!.der)
  const at = der.lastIndexOf(Buffer.concat([Buffer.of(0x0c, value.length), Buffer.from(value)]))
  assert.equal(der[at], 0x0c)
  der[at] = 0x04
  writeFileSync(file, pem('CERTIFICATE', der))
}

function replaceWith(world: World, request: Parameters<ReturnType<typeof testAuthority>['leaf']>[1], ageDays: number) {
  const authority = testAuthority()
  const { certFile, keyFile } = authority.leaf('m1', request, ageDays)
  copyFileSync(certFile, world.files.certFile)
  copyFileSync(keyFile, world.files.keyFile)
  authority.remove()
}
