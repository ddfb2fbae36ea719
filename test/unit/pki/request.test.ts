import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { createRequest, describeAuthority, type SignRequestOptions, signRequestFile } from '../../../src/pki/index.ts'
import { TestFolder } from './test-folder.ts'

const names = { dnsNames: ['m1.example.net'], ipAddresses: ['10.0.0.1', '2001:db8::1'], uris: ['leasehold://c/m1'] }

function sign(folder: TestFolder, file: string, more: Partial<SignRequestOptions> = {}) {
  return signRequestFile({
    dir: folder.path('ca'),
    requestFile: folder.path(file),
    profile: 'member',
    name: file.replace(/\.\w+$/, ''),
    outDir: folder.path('out'),
    ...more,
  })
}

function opensslRequest(folder: TestFolder, name: string, key: readonly string[], more: readonly string[] = []): void {
  folder.openssl(
    ...['req', '-new', ...key, '-nodes', '-keyout', `${name}.key`, '-out', `${name}.csr`],
    ...(more.includes('-subj') ? [] : ['-subj', `/CN=${name}`]),
    ...(more.some((each) => each.startsWith('subjectAltName')) ? [] : ['-addext', 'subjectAltName=DNS:localhost']),
    ...more,
  )
}

const p256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']

test('our own request: OpenSSL verifies it, and it becomes a certificate', () => {
  using folder = new TestFolder()
  folder.init()
  createRequest({ name: 'm1', commonName: 'm1', ...names, outDir: folder.root })
  folder.openssl('req', '-in', 'm1.csr', '-verify', '-noout')
  assert.match(
    folder.openssl('req', '-in', 'm1.csr', '-noout', '-text'),
    /DNS:m1\.example\.net, URI:leasehold:\/\/c\/m1/,
  )
  sign(folder, 'm1.csr')
  const certificate = new X509Certificate(folder.read('out', 'm1.crt'))
  assert.equal(
    certificate.subjectAltName,
    'DNS:m1.example.net, URI:leasehold://c/m1, IP Address:10.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1',
  )
  folder.openssl('verify', '-x509_strict', '-CAfile', 'ca/ca.crt', 'out/m1.crt')
  createRequest({ name: 'bare', commonName: 'bare', dnsNames: [], ipAddresses: [], uris: [], outDir: folder.root })
  folder.openssl('req', '-in', 'bare.csr', '-verify', '-noout')
  sign(folder, 'bare.csr', { profile: 'client' })
  assert.deepEqual(
    describeAuthority(folder.path('ca')).issued.map(({ subject, profile }) => [subject, profile]),
    [
      ['m1', 'member'],
      ['bare', 'client'],
    ],
  )
})

for (const [name, key] of [
  ['P-256', p256],
  ['P-384', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384']],
  ['Ed25519', ['-newkey', 'ed25519']],
  ['RSA 2048', ['-newkey', 'rsa:2048']],
  ['RSA 4096', ['-newkey', 'rsa:4096']],
] as const)
  test(`a request by OpenSSL with a key of kind ${name}`, () => {
    using folder = new TestFolder()
    folder.init()
    opensslRequest(folder, 'm1', key)
    sign(folder, 'm1.csr')
    folder.openssl('verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', 'ca/ca.crt', 'out/m1.crt')
    assert.equal(
      folder.openssl('pkey', '-in', 'm1.key', '-pubout'),
      folder.openssl('x509', '-in', 'out/m1.crt', '-pubkey', '-noout'),
    )
    folder.openssl('req', '-in', 'm1.csr', '-outform', 'DER', '-out', 'der.csr')
    sign(folder, 'der.csr')
  })

for (const { name, key = p256, more = [], options = {}, reason } of [
  { name: 'RSA 1024', key: ['-newkey', 'rsa:1024'], reason: /an RSA key of 1024 bits is too weak/ },
  {
    name: 'secp256k1',
    key: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
    reason: /EC secp256k1 keys are not accepted/,
  },
  { name: 'a weak signature', more: ['-sha1'], reason: /its signature is too weak \(ecdsa-with-SHA1\)/ },
  { name: 'an authority', more: ['-addext', 'basicConstraints=CA:TRUE'], reason: /it asks to be an authority/ },
  { name: 'keyCertSign', more: ['-addext', 'keyUsage=keyCertSign'], reason: /key usage of an authority: keyCertSign/ },
  {
    name: 'a usage of servers for a client',
    more: ['-addext', 'extendedKeyUsage=serverAuth'],
    options: { profile: 'client' },
    reason: /a usage that profile client has not: serverAuth/,
  },
  {
    name: 'code signing',
    more: ['-addext', 'extendedKeyUsage=codeSigning'],
    reason: /a usage that profile member has not: codeSigning/,
  },
  {
    name: 'an unknown critical extension',
    more: ['-addext', '1.2.3.4=critical,DER:0500'],
    reason: /a critical extension that is not known: 1\.2\.3\.4/,
  },
  {
    name: 'an organization',
    more: ['-subj', '/O=system:masters/CN=m1'],
    reason: /m1\.csr: its subject is not just a common name: O=system:masters, CN=m1 \(--common-name replaces it\)/,
  },
  { name: 'two common names', more: ['-subj', '/CN=m1/CN=root'], reason: /not just a common name: CN=m1, CN=root/ },
  { name: 'no name for a member', more: ['-subj', '/'], reason: /profile member needs a common name/ },
  {
    name: 'an e-mail address',
    more: ['-addext', 'subjectAltName=DNS:localhost,email:a@b.c'],
    reason: /a name of a kind that is not issued: email:a@b\.c/,
  },
  {
    name: 'the member’s URI for a client',
    more: ['-addext', 'subjectAltName=URI:leasehold://c/m1'],
    options: { profile: 'client' },
    reason: /profile client does not make members/,
  },
  {
    name: 'half a member’s URI',
    more: ['-addext', 'subjectAltName=DNS:localhost,URI:leasehold://c'],
    reason: /not a member's URI: "leasehold:\/\/c"/,
  },
  {
    name: 'a NUL in a DNS name',
    more: ['-addext', 'subjectAltName=DER:300c820a6c6f63616c00686f7374'],
    reason: /not a DNS name: "local\\u0000host"/,
  },
  {
    name: 'ten thousand names',
    more: ['-addext', `subjectAltName=${Array.from({ length: 10_000 }, (_, i) => `DNS:h${i}`).join(',')}`],
    reason: /10000 alternative names, which is more than 100/,
  },
  { name: 'an unknown profile', options: { profile: 'root' }, reason: /unknown profile root/ },
  { name: 'too long a life', options: { validityDays: 100_000 }, reason: /1 to 825 days, not 100000/ },
  { name: 'a path for a name', options: { name: '../x' }, reason: /not a usable file name/ },
] as readonly {
  readonly name: string
  readonly key?: readonly string[]
  readonly more?: readonly string[]
  readonly options?: Partial<SignRequestOptions>
  readonly reason: RegExp
}[])
  test(`a request is refused: ${name}`, () => {
    using folder = new TestFolder()
    folder.init()
    opensslRequest(folder, 'm1', key, more)
    const before = folder.read('ca', 'index.jsonl')
    assert.throws(() => sign(folder, 'm1.csr', options), { name: 'PkiError', message: reason })
    assert.equal(folder.read('ca', 'index.jsonl'), before)
  })

test('names that are given take the place of those of the request', () => {
  using folder = new TestFolder()
  folder.init()
  opensslRequest(folder, 'm1', p256, ['-subj', '/C=CH/O=x/CN=m1'])
  sign(folder, 'm1.csr', { commonName: 'm9', names })
  const certificate = new X509Certificate(folder.read('out', 'm1.crt'))
  assert.equal(certificate.subject, 'CN=m9')
  assert.match(certificate.subjectAltName!, /DNS:m1\.example\.net/)
})

test('a damaged, empty or wrong file is named', () => {
  using folder = new TestFolder()
  folder.init()
  opensslRequest(folder, 'm1', p256)
  const text = folder.read('m1.csr')
  folder.openssl('req', '-in', 'm1.csr', '-outform', 'DER', '-out', 'm1.der')
  const flipped = Buffer.from(text.split('\n').slice(1, -2).join(''), 'base64')
  flipped[flipped.length - 3]! ^= 1
  folder.write('flipped.der', flipped)
  folder.write('empty.csr', '')
  folder.write('cut.csr', text.slice(0, 200))
  folder.write('two.csr', text + text)
  for (const [file, reason] of [
    ['flipped.der', /flipped\.der: its signature is wrong/],
    ['empty.csr', /empty\.csr: it is empty/],
    ['cut.csr', /cut\.csr: PEM block 1 \(CERTIFICATE REQUEST\) does not end/],
    ['two.csr', /two\.csr: more than one request/],
    ['m1.key', /m1\.key: no certificate request found/],
    ['none.csr', /none\.csr: cannot read: ENOENT/],
    ['ca', /ca: cannot read: EISDIR/],
  ] as const)
    assert.throws(() => sign(folder, file), { name: 'PkiError', message: reason })
})
