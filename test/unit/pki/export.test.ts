import assert from 'node:assert/strict'
import { chmodSync, existsSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { type ExportOptions, exportCertificate } from '../../../src/pki/index.ts'
import { macKey } from '../../../src/pki/pkcs12.ts'
import { readCertificates } from '../../../src/x509/index.ts'
import { TestFolder } from './test-folder.ts'

function options(folder: TestFolder, name: string, more: Partial<ExportOptions> = {}): ExportOptions {
  return {
    format: 'pkcs12',
    certFile: folder.path('out', `${name}.crt`),
    keyFile: folder.path('out', `${name}.key`),
    caFile: folder.path('ca', 'ca.crt'),
    passphrase: 'correct hörse €',
    outFile: folder.path('exported'),
    ...more,
  }
}

test('PKCS #12: OpenSSL finds key, certificate, name and authority in it', () => {
  using folder = new TestFolder()
  folder.init()
  const leaf = folder.issue('Zürich', { name: 'm1' })
  exportCertificate(options(folder, 'm1'))
  assert.equal(statSync(folder.path('exported')).mode & 0o777, 0o600)
  const pass = ['-passin', 'pass:correct hörse €']
  const info = folder.openssl('pkcs12', '-in', 'exported', ...pass, '-nodes', '-info')
  assert.match(info, /friendlyName: Z.rich/)
  const certificates = readCertificates(Buffer.from(folder.openssl('pkcs12', '-in', 'exported', ...pass, '-nokeys')))
  assert.deepEqual(
    certificates.map(({ serial }) => serial),
    [leaf.serial, readCertificates(Buffer.from(folder.read('ca', 'ca.crt')))[0]!.serial],
  )
  const key = folder.openssl('pkcs12', '-in', 'exported', ...pass, '-nocerts', '-nodes')
  assert.ok(key.includes(folder.read('out', 'm1.key').split('\n')[1]!))
  assert.throws(() => folder.openssl('pkcs12', '-in', 'exported', '-passin', 'pass:wrong', '-nokeys'))
})

test('keys of OpenSSL of every kind are exported', () => {
  using folder = new TestFolder()
  for (const [name, key] of [
    ['rsa', ['rsa:2048']],
    ['ed', ['ed25519']],
    ['p384', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384']],
  ] as const) {
    folder.openssl(
      ...['req', '-x509', '-newkey', ...key, '-nodes', '-keyout', `${name}.key`, '-subj', `/CN=${name}`],
      ...['-out', `${name}.crt`],
    )
    const files = { certFile: folder.path(`${name}.crt`), keyFile: folder.path(`${name}.key`), caFile: null }
    const outFile = folder.path(`${name}.p12`)
    exportCertificate(options(folder, name, { ...files, outFile, passphrase: 'long enough' }))
    folder.openssl('pkcs12', '-in', outFile, '-passin', 'pass:long enough', '-nodes')
  }
})

test('bundles in PEM: with the key, encrypted or not, and without', () => {
  using folder = new TestFolder()
  folder.init()
  folder.issue('m1')
  exportCertificate(options(folder, 'm1', { format: 'bundle', passphrase: null }))
  folder.openssl('pkey', '-in', 'exported', '-noout')
  assert.equal(readCertificates(Buffer.from(folder.read('exported'))).length, 2)
  exportCertificate(options(folder, 'm1', { format: 'bundle', outFile: folder.path('b'), passphrase: 'long enough' }))
  folder.openssl('pkey', '-in', 'b', '-passin', 'pass:long enough', '-noout')
  exportCertificate(options(folder, 'm1', { format: 'chain', outFile: folder.path('c'), keyFile: null, caFile: null }))
  assert.equal(folder.read('c'), folder.read('out', 'm1.crt'))
})

test('what does not belong together is refused, and nothing is written', () => {
  using folder = new TestFolder()
  folder.init()
  folder.init('other')
  folder.issue('m1')
  folder.issue('m2')
  const open = folder.write('open.key', folder.read('out', 'm1.key'))
  chmodSync(open, 0o644)
  const mixed = folder.write('mixed.crt', folder.read('out', 'm1.crt') + folder.read('out', 'm2.crt'))
  for (const [more, reason] of [
    [{ format: 'jks' }, /unknown format jks: use one of pkcs12, bundle, chain/],
    [{ keyFile: folder.path('out', 'm2.key') }, /m2\.key: the private key does not belong to the certificate in .*m1/],
    [{ keyFile: open }, /open\.key: private key is accessible to group or others/],
    [{ keyFile: null }, /format pkcs12 needs a key file/],
    [{ passphrase: null }, /format pkcs12 needs a passphrase/],
    [{ passphrase: 'short' }, /the passphrase is too short/],
    [{ caFile: folder.path('other', 'ca.crt') }, /other\/ca\.crt: has no issuer of the certificate in .*m1\.crt/],
    [{ certFile: mixed }, /mixed\.crt: certificate 2 did not issue the one before/],
    [{ certFile: folder.path('out', 'm1.key') }, /m1\.key: no certificate found/],
  ] as const)
    assert.throws(() => exportCertificate(options(folder, 'm1', more)), { name: 'PkiError', message: reason })
  assert.equal(existsSync(folder.path('exported')), false)
  exportCertificate(options(folder, 'm1'))
  assert.throws(() => exportCertificate(options(folder, 'm1')), /exported: exists already; it is not overwritten/)
})

test('the key of the integrity check is that of RFC 7292', () => {
  const key = macKey('smeg', Buffer.from('0a58cf64530d823f', 'hex'), 1)
  using folder = new TestFolder()
  const expected = folder
    .openssl(
      ...['kdf', '-keylen', '32', '-kdfopt', 'digest:SHA256', '-kdfopt', 'id:3', '-kdfopt', 'iter:1'],
      ...['-kdfopt', 'hexpass:0073006d006500670000', '-kdfopt', 'hexsalt:0a58cf64530d823f', 'PKCS12KDF'],
    )
    .trim()
  assert.equal(key.toString('hex'), expected.replaceAll(':', '').toLowerCase())
})
