import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { createAuthority, issue, type LeafRequest, loadProfiles, PkiError } from '../../../src/pki/index.ts'
import { type TestAuthority, testAuthority } from './test-authority.ts'

const openssl = (...args: string[]): string => execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' })
const msPerDay = 24 * 60 * 60 * 1000

describe('what openssl makes of our certificates', () => {
  let authority: TestAuthority
  before(() => {
    authority = testAuthority('Zürich authority')
  })
  after(() => authority.remove())

  test('the authority', () => {
    const text = openssl('x509', '-in', authority.caFile, '-noout', '-text', '-nameopt', 'utf8')
    assert.match(text, /Version: 3/)
    assert.match(text, /Subject: CN=Zürich authority/)
    assert.match(text, /Basic Constraints: critical\s+CA:TRUE, pathlen:0/)
    assert.match(text, /Key Usage: critical\s+Certificate Sign, CRL Sign\n/)
    assert.match(text, /Signature Algorithm: ecdsa-with-SHA256/)
    assert.match(text, /ASN1 OID: prime256v1/)
    assert.equal(
      openssl('verify', '-x509_strict', '-check_ss_sig', '-CAfile', authority.caFile, authority.caFile),
      `${authority.caFile}: OK\n`,
    )
  })

  test('a member', () => {
    const { certFile } = authority.leaf('m1', {
      dnsNames: ['m1.example.net', '*.svc.example.net'],
      ipAddresses: ['127.0.0.1', '::1', '2001:db8::5', '::ffff:10.1.2.3', 'fe80::'],
      uris: ['spiffe://example.net/m1'],
    })
    const text = openssl('x509', '-in', certFile, '-noout', '-text')
    assert.match(text, /Basic Constraints: critical\s+CA:FALSE/)
    assert.match(text, /Key Usage: critical\s+Digital Signature\n/)
    assert.match(text, /Extended Key Usage:\s+TLS Web Server Authentication, TLS Web Client Authentication\n/)
    assert.match(
      text,
      /Alternative Name:\s+DNS:m1\.example\.net, DNS:\*\.svc\.example\.net, URI:spiffe:\/\/example\.net\/m1, IP Address:127\.0\.0\.1, IP Address:0:0:0:0:0:0:0:1, IP Address:2001:DB8:0:0:0:0:0:5, IP Address:0:0:0:0:0:FFFF:A01:203, IP Address:FE80:0:0:0:0:0:0:0\n/,
    )
    const keyIds = [...text.matchAll(/Key Identifier:\s+([0-9A-F:]+)/g)].map((match) => match[1])
    const caKeyId = openssl('x509', '-in', authority.caFile, '-noout', '-ext', 'subjectKeyIdentifier')
      .split('\n')[1]!
      .trim()
    assert.equal(keyIds.length, 2)
    assert.equal(keyIds[1], caKeyId)
    for (const purpose of ['sslserver', 'sslclient']) {
      openssl('verify', '-x509_strict', '-purpose', purpose, '-CAfile', authority.caFile, certFile)
    }
  })

  for (const profile of ['client', 'operator'] as const) {
    test(`profile ${profile}: for dialing only`, () => {
      const { certFile } = authority.leaf(profile, { profile, validityDays: null, dnsNames: [], ipAddresses: [] })
      assert.match(
        openssl('x509', '-in', certFile, '-noout', '-text'),
        /Extended Key Usage:\s+TLS Web Client Authentication\n/,
      )
      openssl('verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', authority.caFile, certFile)
      assert.throws(() => openssl('verify', '-purpose', 'sslserver', '-CAfile', authority.caFile, certFile), /purpose/)
    })
  }

  test('a proxy without a common name has critical alternative names', () => {
    const { certFile } = authority.leaf('p1', { profile: 'proxy', commonName: '' })
    assert.match(openssl('x509', '-in', certFile, '-noout', '-text'), /Alternative Name: critical/)
    openssl('verify', '-x509_strict', '-CAfile', authority.caFile, certFile)
  })

  test('another authority of the same name did not sign it', () => {
    const other = testAuthority('Zürich authority')
    try {
      const { certFile } = other.leaf('foreign')
      assert.throws(() => openssl('verify', '-CAfile', authority.caFile, certFile))
    } finally {
      other.remove()
    }
  })

  test('years from 2050 on are written as GeneralizedTime', () => {
    const in2049 = Date.UTC(2049, 5, 1)
    const { certPem } = createAuthority({ commonName: 'later', validityDays: 3650 }, in2049)
    const der = execFileSync('openssl', ['asn1parse'], { input: certPem, encoding: 'utf8' })
    assert.match(der, /UTCTIME\s+:490531235500Z/)
    assert.match(der, /GENERALIZEDTIME\s+:20590530000000Z/)
    assert.equal(new X509Certificate(certPem).validToDate.getUTCFullYear(), 2059)
  })
})

describe('issuing', () => {
  const credentials = createAuthority({ commonName: 'a', validityDays: 100 })
  const good: LeafRequest = {
    profile: 'member',
    commonName: 'm',
    dnsNames: ['localhost'],
    ipAddresses: [],
    uris: [],
    validityDays: 10,
  }

  test('serials are positive, 16 bytes long and differ', () => {
    const serials = new Set<string>()
    for (let i = 0; i < 50; i++) {
      const leaf = issue(credentials, good)
      assert.match(leaf.serial, /^[4-7][0-9a-f]{31}$/)
      assert.equal(new X509Certificate(leaf.certPem).serialNumber.toLowerCase(), leaf.serial)
      serials.add(leaf.serial)
    }
    assert.equal(serials.size, 50)
  })

  test('a leaf does not outlive its authority, and starts slightly in the past', () => {
    const leaf = issue(credentials, { ...good, validityDays: 365 })
    const parsed = new X509Certificate(leaf.certPem)
    assert.equal(parsed.validTo, new X509Certificate(credentials.certPem).validTo)
    assert.equal(parsed.validToDate.getTime(), leaf.notAfter.getTime())
    assert.ok(leaf.notBefore.getTime() <= Date.now())
  })

  for (const { name, request, reason } of [
    { name: 'no common name for a member', request: { commonName: '' }, reason: /member needs a common name/ },
    { name: 'no names for a member', request: { dnsNames: [] }, reason: /at least one DNS name or IP address/ },
    { name: 'a URI alone for a member', request: { dnsNames: [], uris: ['a:b'] }, reason: /at least one DNS name/ },
    { name: 'too long a validity', request: { validityDays: 826 }, reason: /1 to 825 days, not 826/ },
    { name: 'no validity', request: { validityDays: 0 }, reason: /not 0/ },
    { name: 'half a day', request: { validityDays: 0.5 }, reason: /not 0.5/ },
    { name: 'a common name of 65 characters', request: { commonName: 'x'.repeat(65) }, reason: /common name must be/ },
    { name: 'a NUL in the common name', request: { commonName: 'root\0.x' }, reason: /common name must be/ },
    { name: 'a space in a DNS name', request: { dnsNames: ['a b'] }, reason: /not a DNS name: "a b"/ },
    { name: 'a NUL in a DNS name', request: { dnsNames: ['a\0.b'] }, reason: /not a DNS name/ },
    { name: 'a wildcard inside a DNS name', request: { dnsNames: ['a.*.b'] }, reason: /not a DNS name/ },
    { name: 'an address as DNS name', request: { dnsNames: ['10.0.0.1'] }, reason: /not a DNS name/ },
    { name: 'an umlaut in a DNS name', request: { dnsNames: ['zürich.example'] }, reason: /not a DNS name/ },
    { name: 'a name as address', request: { ipAddresses: ['localhost'] }, reason: /not an IP address/ },
    { name: 'an address with a zone', request: { ipAddresses: ['fe80::1%eth0'] }, reason: /not an IP address/ },
    { name: 'no URI', request: { uris: ['nothing'] }, reason: /not a URI/ },
  ]) {
    test(`is refused: ${name}`, () => {
      assert.throws(() => issue(credentials, { ...good, ...request }), { name: 'PkiError', message: reason })
    })
  }

  test('is refused: by an expired authority', () => {
    const expired = createAuthority({ commonName: 'a', validityDays: 10 }, Date.now() - 11 * msPerDay)
    assert.throws(() => issue(expired, good), { name: 'PkiError', message: 'the authority has expired' })
  })

  test('is refused: with the key of another authority, or as a leaf', () => {
    const other = createAuthority({ commonName: 'a', validityDays: 10 })
    assert.throws(() => issue({ ...credentials, keyPem: other.keyPem }, good), /does not belong to its certificate/)
    assert.throws(() => issue(issue(credentials, good), good), /not one of an authority/)
    assert.throws(
      () => issue({ ...credentials, keyPem: 'secret' }, good),
      (error) => {
        return (
          error instanceof PkiError &&
          error.message === 'the authority key cannot be parsed: no key in it' &&
          !('cause' in error)
        )
      },
    )
  })

  test('the shipped profiles load; a file with a surprise in it does not', () => {
    assert.deepEqual(loadProfiles().certificates.client.extendedKeyUsage, ['clientAuth'])
    assert.throws(() => loadProfiles('/nonexistent/profiles.yaml'), { name: 'PkiError', message: /ENOENT/ })
    const packageFile = new URL('../../../package.json', import.meta.url).pathname
    assert.throws(() => loadProfiles(packageFile), { name: 'PkiError' })
  })
})
