import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { chmodSync, chownSync, lstatSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { test } from 'node:test'
import { describeAuthority, renewLeaf, revoke } from '../../../src/pki/index.ts'
import { readRevocationLists } from '../../../src/x509/index.ts'
import { TestFolder } from './test-folder.ts'

const x509 = (folder: TestFolder, name: string) => new X509Certificate(folder.read('out', name))

test('renewed: the same key, names and length of life', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  const { certFile, serial } = folder.issue('m1', {
    validityDays: 20,
    uris: ['leasehold://c/m1'],
    ipAddresses: ['::1'],
  })
  const before = x509(folder, 'm1.crt')
  const renewed = renewLeaf({ dir, certFile, keyFile: null })
  const after = x509(folder, 'm1.crt')
  assert.equal(renewed.replaces, serial)
  assert.notEqual(after.serialNumber, before.serialNumber)
  assert.equal(after.subjectAltName, before.subjectAltName)
  assert.equal(after.subject, before.subject)
  assert.ok(after.publicKey.equals(before.publicKey))
  assert.ok(Math.abs(after.validToDate.getTime() - before.validToDate.getTime()) < 60_000)
  folder.openssl('verify', '-x509_strict', '-CAfile', 'ca/ca.crt', 'out/m1.crt')
  assert.deepEqual(
    describeAuthority(dir).issued.map(({ status }) => status),
    ['replaced', 'valid'],
  )
})

test('rotated: a new key, and the one before is revoked', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  const { certFile, keyFile, serial } = folder.issue('m1')
  const before = x509(folder, 'm1.crt')
  renewLeaf({ dir, certFile, keyFile, validityDays: 5, revoke: true })
  const after = x509(folder, 'm1.crt')
  assert.equal(after.publicKey.equals(before.publicKey), false)
  folder.openssl('pkey', '-in', 'out/m1.key', '-check', '-noout')
  assert.equal(
    folder.openssl('pkey', '-in', 'out/m1.key', '-pubout'),
    folder.openssl('x509', '-in', 'out/m1.crt', '-pubkey', '-noout'),
  )
  const [list] = readRevocationLists(Buffer.from(folder.read('ca', 'crl.pem')))
  assert.deepEqual([...list!.revoked.keys()], [serial])
})

test('a rotation that was interrupted between the files is completed by the next one', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  const { certFile, keyFile } = folder.issue('m1')
  const old = folder.read('out', 'm1.crt')
  const { serial } = renewLeaf({ dir, certFile, keyFile })
  const whole = folder.read('out', 'm1.crt')
  writeFileSync(certFile, old)
  const again = renewLeaf({ dir, certFile, keyFile })
  assert.equal(again.serial, serial)
  assert.equal(folder.read('out', 'm1.crt'), whole)
  assert.equal(describeAuthority(dir).issued.length, 2)
})

test('what is refused leaves files and index as they are', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  folder.init('other')
  const foreign = folder.issue('foreign', { dir: folder.path('other') })
  const m1 = folder.issue('m1')
  const m2 = folder.issue('m2')
  revoke({ dir, certFile: m2.certFile, reason: 'keyCompromise' })
  const damaged = folder.write('damaged.crt', folder.read('out', 'm1.crt').slice(0, -60))
  const state = () => [folder.read('ca', 'index.jsonl'), folder.read('out', 'm1.crt'), folder.read('out', 'm1.key')]
  const before = state()
  for (const [certFile, keyFile, reason] of [
    [foreign.certFile, null, /foreign\.crt: certificate [0-9a-f]{32} is not one of/],
    [m2.certFile, null, /m2\.crt: was revoked on .* \(keyCompromise\): issue a new one/],
    [m1.certFile, m2.keyFile, /m2\.key: the private key does not belong to the certificate in .*m1\.crt/],
    [m1.certFile, m1.certFile, /m1\.crt cannot be parsed: no key in it/],
    [m1.certFile, folder.path('none.key'), /none\.key: cannot read: ENOENT/],
    [damaged, null, /damaged\.crt: PEM block 1 \(CERTIFICATE\) does not end/],
    [folder.path('none.crt'), null, /none\.crt: cannot read: ENOENT/],
    [m1.keyFile, null, /m1\.key: no certificate found in it/],
    [folder.path('ca', 'ca-1.crt'), null, /ca-1\.crt: certificate [0-9a-f]{32} is not one of/],
  ] as const)
    assert.throws(() => renewLeaf({ dir, certFile, keyFile }), { name: 'PkiError', message: reason })
  assert.throws(() => renewLeaf({ dir, certFile: m1.certFile, keyFile: null, validityDays: 826 }), /1 to 825 days/)
  assert.deepEqual(state(), before)
})

test('mode, owner and links of what is replaced stay', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  const { certFile, keyFile } = folder.issue('m1')
  chmodSync(certFile, 0o644)
  const isRoot = process.geteuid?.() === 0
  if (isRoot) for (const file of [certFile, keyFile]) chownSync(file, 1234, 2345)
  for (const file of [certFile, keyFile]) symlinkSync(file, folder.path(basename(file)))
  const before = folder.read('out', 'm1.crt')
  renewLeaf({ dir, certFile: folder.path('m1.crt'), keyFile: folder.path('m1.key') })
  assert.notEqual(folder.read('out', 'm1.crt'), before)
  assert.equal(statSync(certFile).mode & 0o777, 0o644)
  assert.equal(statSync(keyFile).mode & 0o777, 0o600)
  for (const file of [certFile, keyFile]) {
    assert.ok(lstatSync(folder.path(basename(file))).isSymbolicLink())
    if (isRoot) assert.deepEqual([statSync(file).uid, statSync(file).gid], [1234, 2345])
  }
})

test('a certificate whose copy is gone is renewed all the same', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  const { certFile } = folder.issue('m1')
  rmSync(folder.path('ca', 'issued'), { recursive: true })
  renewLeaf({ dir, certFile, keyFile: null })
})
