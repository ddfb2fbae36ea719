import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CertificateDescription,
  describeFile,
  type KeyDescription,
  type ListDescription,
  type RequestDescription,
  revoke,
} from '../../../src/pki/index.ts'
import { TestFolder } from './test-folder.ts'

test('what OpenSSL makes: certificate, request, keys of all forms', () => {
  using folder = new TestFolder()
  const show = (name: string) => describeFile(folder.path(name))
  folder.openssl(
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'a.key', '-subj', '/O=x/CN=a', '-out', 'a.crt'],
    ...['-days', '10', '-addext', 'subjectAltName=DNS:a.example,IP:10.0.0.1'],
  )
  const [certificate] = show('a.crt') as CertificateDescription[]
  assert.equal(certificate!.type, 'certificate')
  assert.equal(certificate!.subject, 'O=x, CN=a')
  assert.equal(certificate!.key, 'RSA 2048')
  assert.equal(certificate!.selfSigned, true)
  assert.equal(certificate!.validity, 'valid')
  assert.deepEqual(certificate!.alternativeNames, ['DNS:a.example', 'IP:10.0.0.1'])
  assert.equal(certificate!.weakness, null)
  folder.openssl('req', '-new', '-key', 'a.key', '-subj', '/CN=a', '-sha1', '-out', 'a.csr')
  const [request] = show('a.csr') as RequestDescription[]
  assert.equal(request!.type, 'request')
  assert.match(request!.weakness!, /its signature is too weak \(sha1WithRSAEncryption\)/)
  folder.openssl('ecparam', '-genkey', '-name', 'secp384r1', '-noout', '-out', 'sec1.key')
  folder.openssl('pkcs8', '-topk8', '-in', 'sec1.key', '-passout', 'pass:secret', '-out', 'enc.key')
  folder.openssl('ec', '-in', 'sec1.key', '-aes128', '-passout', 'pass:secret', '-out', 'old.key')
  for (const [name, key] of [
    ['a.key', 'RSA 2048'],
    ['sec1.key', 'EC P-384'],
    ['enc.key', null],
    ['old.key', null],
  ] as const)
    assert.deepEqual(show(name), [{ type: 'private key', key, encrypted: key === null }] satisfies KeyDescription[])
  for (const [kind, name] of [
    ['x509', 'a.crt'],
    ['req', 'a.csr'],
  ] as const) {
    folder.openssl(kind, '-in', name, '-outform', 'DER', '-out', `${name}.der`)
    assert.deepEqual(show(`${name}.der`), show(name))
  }
})

test('a bundle and a list of our own', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  const { serial } = folder.issue('m1')
  revoke({ dir, serial, reason: 'superseded' })
  const [list] = describeFile(folder.path('ca', 'crl.pem')) as ListDescription[]
  assert.deepEqual([list!.number, list!.stale, list!.revoked[0]!.serial], ['1', false, serial])
  assert.equal(
    (describeFile(folder.path('ca', 'crl.pem'), Date.now() + 31 * 86_400_000)[0] as ListDescription).stale,
    true,
  )
  folder.openssl('crl', '-in', 'ca/crl.pem', '-outform', 'DER', '-out', 'crl.der')
  assert.deepEqual(describeFile(folder.path('crl.der')), [list])
  folder.write(
    'all.pem',
    ['ca/ca.crt', 'out/m1.crt', 'out/m1.key', 'ca/crl.pem'].map((name) => folder.read(name)).join(''),
  )
  assert.deepEqual(
    describeFile(folder.path('all.pem')).map(({ type }) => type),
    ['certificate', 'certificate', 'private key', 'revocation list'],
  )
  const [, later] = describeFile(folder.path('all.pem'), Date.now() + 400 * 86_400_000) as CertificateDescription[]
  const [, early] = describeFile(folder.path('all.pem'), Date.now() - 86_400_000) as CertificateDescription[]
  assert.deepEqual([later!.validity, early!.validity], ['expired', 'not yet valid'])
})

for (const [name, bytes, reason] of [
  ['empty', '', /it is empty/],
  ['noise', Buffer.from([0, 1, 2]), /no PEM block and no DER in it/],
  ['DER of something else', Buffer.from('3003020101', 'hex'), /neither a certificate \(damaged at byte 2.*\) nor a/],
  [
    'an unknown block',
    '-----BEGIN OPENSSH PUBLIC KEY-----\nAAAA\n-----END OPENSSH PUBLIC KEY-----\n',
    /not known here/,
  ],
  ['a block that is cut off', '-----BEGIN CERTIFICATE-----\nAAAA\n', /does not end: the file is cut off/],
  ['a key that is none', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', /cannot be parsed$/],
] as const)
  test(`what cannot be shown is named: ${name}`, () => {
    using folder = new TestFolder()
    const file = folder.write('file', bytes)
    assert.throws(
      () => describeFile(file),
      (error: Error) => {
        assert.equal(error.name, 'PkiError')
        assert.ok(error.message.startsWith(file))
        assert.match(error.message, reason)
        return true
      },
    )
  })

test('a file without an end is not read to its end', () => {
  assert.throws(() => describeFile('/dev/zero'), {
    name: 'PkiError',
    message: /^\/dev\/zero: cannot read: has more than/,
  })
})
