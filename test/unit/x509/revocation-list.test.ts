import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  listProblem,
  parseRevocationList,
  readCertificates,
  readRevocationLists,
  X509Error,
} from '../../../src/x509/index.ts'
import { cpuMs } from '../../support/cpu-time.ts'
import { OpensslFiles } from './openssl-files.ts'

const files = new OpensslFiles()
after(() => files[Symbol.dispose]())

const certificate = (name: string) => readCertificates(files.read(`${name}.crt`))[0]!
const list = (name: string) => readRevocationLists(files.read(name))[0]!

before(() => {
  files.authority('ca', '/CN=same name')
  files.authority('other', '/CN=same name')
  for (const name of ['a', 'b']) files.issue('ca', name)
  files.ca('ca', '-revoke', 'a.crt', '-crl_reason', 'keyCompromise')
  files.ca('ca', '-revoke', 'b.crt')
  files.ca('ca', '-gencrl', '-out', 'crl.pem')
})

test('a list by OpenSSL is read and belongs to its authority', () => {
  const crl = list('crl.pem')
  assert.equal(crl.number, 0x1001n)
  assert.deepEqual([...crl.revoked.keys()].sort(), [certificate('a').serial, certificate('b').serial].sort())
  assert.equal(crl.revoked.get(certificate('a').serial)?.reason, 'keyCompromise')
  assert.equal(crl.revoked.get(certificate('b').serial)?.reason, 'unspecified')
  assert.ok(Math.abs(crl.revoked.get(certificate('b').serial)!.revokedAtMs - Date.now()) < 60_000)
  assert.equal(crl.nextUpdateMs! - crl.thisUpdateMs, 30 * 24 * 60 * 60 * 1000)
  assert.equal(listProblem(crl, certificate('ca')), null)
})

test('it is not that of another authority, nor one of a flipped bit', () => {
  const crl = list('crl.pem')
  assert.equal(listProblem(crl, certificate('other')), 'it names another key of its issuer')
  assert.equal(listProblem(crl, certificate('a')), 'it is a list of another issuer')
  const flipped = Buffer.from(crl.der)
  flipped[crl.der.indexOf(Buffer.from(certificate('a').serial, 'hex')) + 3]! ^= 1
  assert.equal(listProblem(parseRevocationList(flipped), certificate('ca')), 'its signature is wrong')
})

test('several lists in one file, and DER', () => {
  files.run('crl', '-in', 'crl.pem', '-outform', 'DER', '-out', 'crl.der')
  assert.deepEqual(list('crl.der').der, list('crl.pem').der)
  const twice = Buffer.concat([files.read('crl.pem'), files.read('crl.pem')])
  assert.equal(readRevocationLists(twice).length, 2)
  assert.throws(() => readRevocationLists(files.read('ca.crt')), /no revocation list found in it/)
})

for (const { name, section, reason } of [
  { name: 'delta', section: '2.5.29.27=critical,DER:020101', reason: /a delta list/ },
  { name: 'partial', section: '2.5.29.28=critical,DER:30038101ff', reason: /a part of the certificates/ },
  { name: 'with an unknown critical extension', section: '1.2.3.4=critical,DER:0500', reason: /extension 1\.2\.3\.4/ },
])
  test(`a list is refused that is ${name}`, () => {
    files.write('special.cnf', `${files.read('ca.cnf')}\n[special]\n${section}\n`)
    files.run(
      ...['ca', '-batch', '-config', 'special.cnf', '-cert', 'ca.crt', '-keyfile', 'ca.key', '-gencrl'],
      ...['-crlexts', 'special', '-out', 'special.pem'],
    )
    assert.throws(() => list('special.pem'), { name: 'X509Error', message: reason })
  })

test('a list without entries and without a number', () => {
  files.write('empty.txt', '')
  files.write('v1.cnf', `[ca]\ndefault_ca=d\n[d]\ndatabase=${files.path('empty.txt')}\ndefault_md=sha256\n`)
  files.run(
    ...['ca', '-config', 'v1.cnf', '-cert', 'ca.crt', '-keyfile', 'ca.key', '-gencrl', '-crldays', '1'],
    ...['-out', 'v1.pem'],
  )
  const crl = list('v1.pem')
  assert.equal(crl.number, null)
  assert.equal(crl.revoked.size, 0)
  assert.equal(listProblem(crl, certificate('ca')), null)
})

test('whatever the damage, it is named, and nothing else is thrown', () => {
  const { der } = list('crl.pem')
  for (let length = 0; length < der.length; length++)
    assert.throws(() => parseRevocationList(der.subarray(0, length)), X509Error, `${length} bytes`)
  for (let at = 0; at < der.length; at++)
    for (const change of [0x01, 0x80, 0xff]) {
      const changed = Buffer.from(der)
      changed[at]! ^= change
      try {
        assert.equal(listProblem(parseRevocationList(changed), certificate('ca')) === null, false, `byte ${at}`)
      } catch (error) {
        assert.ok(error instanceof X509Error, `byte ${at}: ${error}`)
      }
    }
})

test('fifty thousand entries', () => {
  const lines = Array.from({ length: 50_000 }, (_, i) => {
    const serial = (i + 0x1000_0000).toString(16).toUpperCase()
    return `R\t301231000000Z\t251231000000Z,superseded\t${serial}\tunknown\t/CN=x\n`
  })
  files.write('index.txt', lines.join(''))
  files.ca('ca', '-gencrl', '-out', 'long.pem')
  const bytes = files.read('long.pem')
  const started = cpuMs()
  const crl = readRevocationLists(bytes)[0]!
  const elapsedMs = cpuMs() - started
  assert.equal(crl.revoked.size, 50_000)
  assert.equal(crl.revoked.get('1000c34f')?.reason, 'superseded')
  assert.equal(listProblem(crl, certificate('ca')), null)
  assert.ok(elapsedMs < 2000, `${elapsedMs} ms`)
})
