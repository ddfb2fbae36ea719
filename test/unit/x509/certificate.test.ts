import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, test } from 'node:test'
import {
  commonNamesOf,
  fingerprintOf,
  issuanceProblem,
  keyProblem,
  parseCertificate,
  readCertificates,
  serialFromText,
  showAlternativeName,
  showKey,
  showName,
  X509Error,
} from '../../../src/x509/index.ts'
import { OpensslFiles } from './openssl-files.ts'

const files = new OpensslFiles()
after(() => files[Symbol.dispose]())

const certificate = (name: string) => readCertificates(files.read(`${name}.crt`))[0]!

test('a certificate by OpenSSL says what Node says it says', () => {
  files.authority('ca', '/C=CH/O=Example, Inc./CN=authority')
  files.issue('ca', 'leaf', '/CN=m1', [
    'subjectAltName=DNS:m1.example.net,IP:10.1.2.3,IP:2001:db8::5,URI:spiffe://example.net/m1,email:a@b.c,otherName:1.2.3;UTF8:x',
    'extendedKeyUsage=serverAuth,clientAuth',
    'keyUsage=critical,digitalSignature',
    'basicConstraints=critical,CA:false',
  ])
  const parsed = certificate('leaf')
  const node = new X509Certificate(files.read('leaf.crt'))
  assert.equal(parsed.version, 3)
  assert.equal(parsed.serial, serialFromText(node.serialNumber))
  assert.equal(parsed.notBeforeMs, node.validFromDate.getTime())
  assert.equal(parsed.notAfterMs, node.validToDate.getTime())
  assert.equal(fingerprintOf(parsed), node.fingerprint256.replaceAll(':', '').toLowerCase())
  assert.equal(showName(parsed.issuer), 'C=CH, O=Example\\, Inc., CN=authority')
  assert.deepEqual(commonNamesOf(parsed.subject), ['m1'])
  assert.deepEqual(parsed.extensions.basicConstraints, { ca: false, pathLength: null })
  assert.deepEqual(parsed.extensions.keyUsage, ['digitalSignature'])
  assert.deepEqual(parsed.extensions.extendedKeyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
  assert.deepEqual(parsed.extensions.alternativeNames.map(showAlternativeName), [
    'DNS:m1.example.net',
    'IP:10.1.2.3',
    'IP:2001:db8::5',
    'URI:spiffe://example.net/m1',
    'email:a@b.c',
    '[0]:#06022a03a0030c0178',
  ])
  assert.deepEqual(parsed.extensions.unknownCritical, [])
  assert.deepEqual(parseCertificate(node.raw).der, node.raw)
})

for (const { name, key, sign, shown } of [
  { name: 'P-256', key: [], sign: [], shown: 'EC P-256' },
  {
    name: 'P-384',
    key: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
    sign: ['-sha384'],
    shown: 'EC P-384',
  },
  {
    name: 'P-521',
    key: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521'],
    sign: ['-sha512'],
    shown: 'EC P-521',
  },
  { name: 'Ed25519', key: ['-algorithm', 'ED25519'], sign: [], shown: 'ED25519' },
  { name: 'RSA', key: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], sign: [], shown: 'RSA 2048' },
  {
    name: 'RSA-PSS signatures',
    key: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
    sign: ['-sha256', '-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:32'],
    shown: 'RSA 2048',
  },
])
  test(`an authority with ${name} is checked`, () => {
    files.key('any', ...key)
    files.selfSigned('any', '/CN=any', ...sign)
    const authority = certificate('any')
    assert.equal(issuanceProblem(authority, authority), null)
    assert.equal(showKey(authority.publicKey), shown)
    assert.equal(keyProblem(authority.publicKey), null)
    const flipped = Buffer.from(authority.der)
    flipped[flipped.length - 5]! ^= 1
    assert.equal(issuanceProblem(parseCertificate(flipped), authority), 'its signature is wrong')
  })

for (const { name, key, reason } of [
  {
    name: 'RSA 1024',
    key: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'],
    reason: 'an RSA key of 1024 bits is too weak (at least 2048)',
  },
  {
    name: 'RSA with exponent 3',
    key: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-pkeyopt', 'rsa_keygen_pubexp:3'],
    reason: 'an RSA key with exponent 3 is too weak',
  },
  {
    name: 'secp256k1',
    key: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
    reason: 'EC secp256k1 keys are not accepted',
  },
])
  test(`a weak key: ${name}`, () => {
    files.authority('weak', '/CN=weak', ...key)
    const weak = certificate('weak')
    assert.equal(keyProblem(weak.publicKey), reason)
    assert.equal(issuanceProblem(weak, weak), `its issuer’s key: ${reason}`)
  })

test('who is not the issuer is told why', () => {
  files.authority('ca1', '/CN=same name')
  files.authority('ca2', '/CN=same name')
  files.authority('ca3', '/CN=other name')
  files.issue('ca1', 'leaf1')
  const leaf = certificate('leaf1')
  assert.equal(issuanceProblem(leaf, certificate('ca1')), null)
  assert.equal(issuanceProblem(leaf, certificate('ca2')), 'its signature is wrong')
  assert.equal(issuanceProblem(leaf, certificate('ca3')), 'it names another issuer')
  assert.equal(issuanceProblem(certificate('ca2'), certificate('ca1')), 'it names another key of its issuer')
  files.run('x509', '-req', '-in', 'leaf1.csr', '-CA', 'leaf1.crt', '-CAkey', 'leaf1.key', '-out', 'below.crt')
  assert.equal(issuanceProblem(certificate('below'), leaf), 'its issuer is not an authority')
  files.run(...['req', '-new', '-x509', '-sha1', '-key', 'ca1.key', '-subj', '/CN=sha1', '-out', 'sha1.crt'])
  assert.match(issuanceProblem(certificate('sha1'), certificate('sha1'))!, /too weak \(ecdsa-with-SHA1\)/)
})

test('hostile names are read as they are and shown escaped', () => {
  // A NUL, a line end, a terminal escape, a change of direction, and bytes that are not UTF-8.
  const name = 'root\u0000.example\nCN=x\u001b[2J\u202e\u200b,+\\'
  files.request('hostile', '/CN=REPLACED_NAME_OF_SOME_FORTY_BYTES_LENGTH')
  files.ca('ca', '-in', 'hostile.csr', '-out', 'hostile.crt', '-notext')
  const der = certificate('hostile').der
  const target = Buffer.from('REPLACED_NAME_OF_SOME_FORTY_BYTES_LENGTH')
  const at = der.indexOf(target)
  assert.ok(at > 0)
  const text = Buffer.from(name)
  Buffer.concat([text, Buffer.alloc(target.length - text.length, 'z')]).copy(der, at)
  const parsed = parseCertificate(der)
  assert.deepEqual(commonNamesOf(parsed.subject), [name + 'z'.repeat(target.length - text.length)])
  assert.match(
    showName(parsed.subject),
    /^CN=root\\u\{0\}\.example\\u\{a\}CN\\=x\\u\{1b\}\[2J\\u\{202e\}\\u\{200b\}\\,\\\+\\\\z+$/,
  )
  der[at] = 0xff
  assert.deepEqual(commonNamesOf(parseCertificate(der).subject), [null])
  assert.match(showName(parseCertificate(der).subject), /^CN=#ff6f6f74/)
})

test('ten thousand names are read', () => {
  const names = Array.from({ length: 10_000 }, (_, i) => `DNS:host-${i}.example.net`)
  files.key('many')
  files.write('many.cnf', `[req]\ndistinguished_name=n\n[n]\n[e]\nsubjectAltName=${names.join(',')}\n`)
  files.run(
    ...['req', '-new', '-x509', '-config', 'many.cnf', '-extensions', 'e', '-key', 'many.key', '-subj', '/CN=many'],
    ...['-out', 'many.crt'],
  )
  assert.deepEqual(certificate('many').extensions.alternativeNames.map(showAlternativeName), names)
})

test('whatever the damage, it is named, and nothing else is thrown', () => {
  const { der } = certificate('leaf')
  for (let length = 0; length < der.length; length++)
    assert.throws(() => parseCertificate(der.subarray(0, length)), X509Error, `${length} bytes`)
  assert.throws(() => parseCertificate(Buffer.concat([der, Buffer.of(0)])), /1 bytes follow the end/)
  for (let at = 0; at < der.length; at++)
    for (const change of [0x01, 0x80, 0xff]) {
      const changed = Buffer.from(der)
      changed[at]! ^= change
      try {
        parseCertificate(changed)
      } catch (error) {
        assert.ok(error instanceof X509Error, `byte ${at}: ${error}`)
      }
    }
})

for (const { name, text, reason } of [
  { name: 'empty', text: '', reason: /^it is empty$/ },
  { name: 'something else', text: 'hello', reason: /^no certificate found in it$/ },
  { name: 'cut off', text: '-----BEGIN CERTIFICATE-----\nMIIB', reason: /block 1 \(CERTIFICATE\) does not end/ },
  {
    name: 'not base64',
    text: '-----BEGIN CERTIFICATE-----\nMI*B\n-----END CERTIFICATE-----\n',
    reason: /block 1 \(CERTIFICATE\) is not base64/,
  },
  {
    name: 'not DER',
    text: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    reason: /^certificate: damaged at byte 2: 1 bytes follow the end$/,
  },
  { name: 'no label', text: '-----BEGIN <x>-----\n', reason: /no proper label/ },
])
  test(`a bundle that is ${name}`, () => {
    assert.throws(() => readCertificates(Buffer.from(text)), { name: 'X509Error', message: reason })
  })

test('the second of a bundle is found, and named if it is damaged', () => {
  const both = files.read('ca.crt').toString() + files.read('leaf.crt').toString()
  assert.equal(readCertificates(Buffer.from(both)).length, 2)
  assert.equal(readCertificates(certificate('ca').der).length, 1)
  assert.throws(() => readCertificates(Buffer.from(both.slice(0, -40))), /PEM block 2 \(CERTIFICATE\) does not end/)
})

for (const [text, want] of [
  ['0', '00'],
  ['0A', '0a'],
  ['00FF', 'ff'],
  ['7F00', '7f00'],
] as const)
  test(`the serial ${text} is ${want}`, () => assert.equal(serialFromText(text), want))
