import assert from 'node:assert/strict'
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { publishRevocations, revoke, usableReasons } from '../../../src/pki/index.ts'
import { listProblem, readCertificates, readRevocationLists, serialFromText } from '../../../src/x509/index.ts'
import { TestFolder } from './test-folder.ts'

const listOf = (folder: TestFolder) => readRevocationLists(Buffer.from(folder.read('ca', 'crl.pem')))[0]!

test('OpenSSL refuses what is revoked, and lets in what is not', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  const serials = usableReasons.map((reason) => [folder.issue(reason).serial, reason] as const)
  folder.issue('good')
  for (const [serial, reason] of serials) revoke({ dir, serial, reason })
  const verify = (name: string): string =>
    folder.openssl('verify', '-crl_check', '-CAfile', 'ca/ca.crt', '-CRLfile', 'ca/crl.pem', `out/${name}.crt`)
  assert.match(verify('good'), /OK/)
  for (const reason of usableReasons) assert.throws(() => verify(reason), /certificate revoked/)
  assert.match(folder.openssl('crl', '-in', 'ca/crl.pem', '-CAfile', 'ca/ca.crt', '-noout', '-crlnumber'), /0x0?8\b/)
  const text = folder.openssl('crl', '-in', 'ca/crl.pem', '-noout', '-text')
  for (const name of ['Key Compromise', 'CA Compromise', 'Superseded', 'Cessation Of Operation', 'Privilege Withdrawn'])
    assert.match(text, new RegExp(name))
  assert.doesNotMatch(text, /Unspecified/)
  const list = listOf(folder)
  assert.deepEqual(
    [...list.revoked].map(([serial, { reason }]) => [serial, reason]),
    serials,
  )
  assert.equal(listProblem(list, readCertificates(Buffer.from(folder.read('ca', 'ca.crt')))[0]!), null)
})

test('lists are numbered on, empty or not, and say when the next one is due', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  const first = publishRevocations({ dir, listDays: 2 })
  assert.deepEqual([first.number, first.revoked], [1, 0])
  assert.equal(listOf(folder).nextUpdateMs, first.nextUpdate.getTime())
  assert.ok(Math.abs(first.nextUpdate.getTime() - Date.now() - 2 * 86_400_000) < 60_000)
  folder.openssl('crl', '-in', 'ca/crl.pem', '-CAfile', 'ca/ca.crt', '-noout')
  assert.equal(publishRevocations({ dir }).number, 2)
  assert.equal(listOf(folder).number, 2n)
  for (const listDays of [0, -1, 366, 1.5, Number.NaN])
    assert.throws(() => publishRevocations({ dir, listDays }), /validity must be 1 to 365 days/)
  assert.equal(listOf(folder).number, 2n)
})

test('a certificate that this authority signed is revoked even if the index does not know it', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  folder.openssl(
    'req',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'rogue.key',
    '-subj',
    '/CN=rogue',
    '-out',
    'rogue.csr',
  )
  folder.openssl(
    ...['x509', '-req', '-in', 'rogue.csr', '-CA', 'ca/ca-1.crt', '-CAkey', 'ca/ca-1.key', '-set_serial', '0xff01'],
    ...['-days', '10', '-out', 'rogue.crt'],
  )
  const { revoked } = revoke({ dir, certFile: folder.path('rogue.crt'), reason: 'keyCompromise' })
  assert.equal(revoked.serial, 'ff01')
  assert.ok(listOf(folder).revoked.has('ff01'))
  assert.match(folder.openssl('crl', '-in', 'ca/crl.pem', '-noout', '-text'), /Serial Number: FF01/)
})

test('an authority does not revoke itself', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  assert.throws(
    () => revoke({ dir, certFile: folder.path('ca', 'ca.crt'), reason: 'keyCompromise' }),
    /ca\.crt: is the authority itself; see: leasehold pki rotate authority/,
  )
  assert.equal(publishRevocations({ dir }).revoked, 0)
})

test('a serial is taken as OpenSSL and others write it', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  const { serial } = folder.issue('m1')
  const colons = serial.toUpperCase().match(/../g)!.join(':')
  assert.equal(serialFromText(colons.replaceAll(':', '')), serial)
  assert.equal(revoke({ dir, serial: colons, reason: 'unspecified' }).revoked.serial, serial)
})

test('what is refused leaves index and list as they are', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  folder.init('other')
  const foreign = folder.issue('foreign', { dir: folder.path('other') })
  const m1 = folder.issue('m1')
  const m2 = folder.issue('m2')
  revoke({ dir, serial: m1.serial, reason: 'superseded' })
  const state = () => [folder.read('ca', 'index.jsonl'), folder.read('ca', 'crl.pem')]
  const before = state()
  const good = { dir, reason: 'unspecified' }
  for (const [options, reason] of [
    [{ ...good, serial: m1.serial }, /is revoked already: on .* \(superseded\)/],
    [{ ...good, certFile: foreign.certFile }, /is not one of .*: it names another issuer/],
    [{ ...good, serial: 'ab' }, /ca: certificate ab is not in the index/],
    [{ ...good, serial: 'x' }, /not a serial: "x"/],
    [{ ...good, serial: '' }, /not a serial: ""/],
    [{ ...good, serial: 'a'.repeat(100_000) }, /not a serial/],
    [{ ...good, serial: '-1' }, /not a serial: "-1"/],
    [good, /name either a certificate file or a serial/],
    [{ ...good, serial: m2.serial, certFile: m2.certFile }, /name either a certificate file or a serial/],
    [
      { ...good, serial: m2.serial, reason: 'certificateHold' },
      /unknown reason certificateHold: use one of unspecified/,
    ],
    [{ ...good, serial: m2.serial, reason: '__proto__' }, /unknown reason/],
  ] as const)
    assert.throws(() => revoke(options), { name: 'PkiError', message: reason })
  chmodSync(folder.path('ca', 'ca-1.key'), 0o644)
  assert.throws(() => revoke({ ...good, serial: m2.serial }), /private key is accessible to group or others/)
  assert.deepEqual(state(), before)
})

test('the index comes before the list: a number is not used twice', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  publishRevocations({ dir })
  const old = folder.read('ca', 'crl.pem')
  publishRevocations({ dir })
  // As after a crash between the two.
  writeFileSync(folder.path('ca', 'crl.pem'), old)
  assert.equal(publishRevocations({ dir }).number, 3)
})

test('a revocation that was interrupted before its list is completed by the next attempt', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  const { serial } = folder.issue('m1')
  publishRevocations({ dir })
  const old = folder.read('ca', 'crl.pem')
  revoke({ dir, serial, reason: 'keyCompromise' })
  writeFileSync(folder.path('ca', 'crl.pem'), old)
  assert.equal(revoke({ dir, serial, reason: 'keyCompromise' }).list.number, 3)
  assert.ok(listOf(folder).revoked.has(serial))
  assert.throws(() => revoke({ dir, serial, reason: 'keyCompromise' }), /is revoked already/)
})

test('a list that is damaged is named, and made again once it is out of the way', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  const { serial } = folder.issue('m1')
  revoke({ dir, serial, reason: 'keyCompromise' })
  writeFileSync(folder.path('ca', 'crl.pem'), folder.read('ca', 'crl.pem').slice(0, 90))
  assert.throws(() => publishRevocations({ dir }), {
    message: /crl\.pem: PEM block 1 \(X509 CRL\) does not end.*; move it away, and: leasehold pki crl/,
  })
  rmSync(folder.path('ca', 'crl.pem'))
  assert.equal(publishRevocations({ dir }).number, 2)
  assert.ok(listOf(folder).revoked.has(serial))
})
