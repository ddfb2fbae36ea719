import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { TlsFiles } from '../../../src/config/member-config.ts'
import { TlsFileError } from '../../../src/security/tls-contents.ts'
import { readTlsFiles } from '../../../src/security/tls-files.ts'
import { type TestAuthority, testAuthority } from '../pki/test-authority.ts'

let authority: TestAuthority
let good: TlsFiles
before(() => {
  authority = testAuthority()
  good = authority.leaf('m1')
})
after(() => authority.remove())

const write = (name: string, content: string, mode = 0o600): string => {
  const file = join(authority.dir, name)
  writeFileSync(file, content)
  chmodSync(file, mode)
  return file
}

test('good files are read, and ask for client certificates', () => {
  const material = readTlsFiles(good)
  assert.equal(material.verifyClients, true)
  assert.equal(material.authorities!.length, 1)
  assert.deepEqual(material.warnings, [])
})

test('a certificate for clients only is warned of', () => {
  const files = authority.leaf('app', { profile: 'client', dnsNames: [], ipAddresses: [] })
  assert.deepEqual(readTlsFiles(files).warnings, [
    `${files.certFile}: certificate CN=app is not for servers: who connects will refuse it`,
  ])
})

test('without an authority no client certificates are asked for', () => {
  const material = readTlsFiles({ ...good, trustedCaFile: null, clientCertAuth: false })
  assert.equal(material.verifyClients, false)
  assert.equal(material.authorities, null)
})

test('a bundle of authorities is taken whole', () => {
  const other = testAuthority()
  try {
    const both = write('both.crt', `comment\n${authority.credentials.certPem}\n${other.credentials.certPem}`)
    assert.equal(readTlsFiles({ ...good, trustedCaFile: both }).authorities!.length, 2)
  } finally {
    other.remove()
  }
})

for (const { name, files, culprit, reason } of [
  {
    name: 'a missing certificate',
    files: () => ({ certFile: join(authority.dir, 'none.crt') }),
    culprit: 'none.crt',
    reason: /cannot read certificate file: ENOENT/,
  },
  {
    name: 'a missing key',
    files: () => ({ keyFile: join(authority.dir, 'none.key') }),
    culprit: 'none.key',
    reason: /cannot read key file: ENOENT/,
  },
  {
    name: 'a folder as certificate',
    files: () => {
      mkdirSync(join(authority.dir, 'folder.crt'), { recursive: true })
      return { certFile: join(authority.dir, 'folder.crt') }
    },
    culprit: 'folder.crt',
    reason: /certificate file is not a file/,
  },
  {
    name: 'a certificate file without certificate',
    files: () => ({ certFile: write('empty.crt', 'nothing here') }),
    culprit: 'empty.crt',
    reason: /no certificate found in it/,
  },
  {
    name: 'a damaged certificate',
    files: () => ({ certFile: write('bad.crt', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n') }),
    culprit: 'bad.crt',
    reason: /certificate: damaged/,
  },
  {
    name: 'a key that others may read',
    files: () => ({ keyFile: write('open.key', readFileSync(good.keyFile, 'utf8'), 0o644) }),
    culprit: 'open.key',
    reason: /private key is accessible to group or others \(mode 0644\); run chmod 600/,
  },
  {
    name: 'a key that the group may read',
    files: () => ({ keyFile: write('group.key', readFileSync(good.keyFile, 'utf8'), 0o640) }),
    culprit: 'group.key',
    reason: /mode 0640/,
  },
  {
    name: 'a damaged key',
    files: () => ({ keyFile: write('bad.key', 'SECRET TEXT') }),
    culprit: 'bad.key',
    reason: /no usable PEM private key found$/,
  },
  {
    name: 'an encrypted key',
    files: () => ({ keyFile: write('encrypted.key', encryptedKey()) }),
    culprit: 'encrypted.key',
    reason: /the private key is encrypted/,
  },
  {
    name: 'the key of another certificate',
    files: () => ({ keyFile: authority.leaf('other').keyFile }),
    culprit: 'other.key',
    reason: /does not belong to the certificate in .*m1\.crt/,
  },
  {
    name: 'a leaf as authority',
    files: () => ({ trustedCaFile: good.certFile }),
    culprit: 'm1.crt',
    reason: /CN=m1 is not a certificate authority/,
  },
  {
    name: 'client certificates without an authority to check them',
    files: () => ({ trustedCaFile: null, clientCertAuth: true }),
    culprit: 'm1.crt',
    reason: /needs a trusted CA file/,
  },
]) {
  test(`refused: ${name}`, () => {
    assert.throws(
      () => readTlsFiles({ ...good, ...files() }),
      (error) => {
        assert.ok(error instanceof TlsFileError)
        assert.equal(error.file, join(authority.dir, culprit))
        assert.match(error.message, reason)
        assert.ok(error.message.startsWith(error.file))
        assert.doesNotMatch(error.message, /\n|SECRET/)
        return true
      },
    )
  })
}

for (const { name, ageDays, warning } of [
  { name: 'expired', ageDays: 31, warning: /CN=expired expired on/ },
  { name: 'ending', ageDays: 20, warning: /CN=ending expires on/ },
  { name: 'future', ageDays: -5, warning: /CN=future is not valid before/ },
]) {
  test(`an ${name} certificate is used, with a warning`, () => {
    const { warnings } = readTlsFiles(authority.leaf(name, {}, ageDays))
    assert.equal(warnings.length, 1)
    assert.match(warnings[0]!, warning)
  })
}

test('files that vanish are told apart from files that were never good', () => {
  const gone = authority.leaf('gone')
  rmSync(gone.keyFile)
  assert.throws(() => readTlsFiles(gone), { name: 'TlsFileError', message: /gone\.key: cannot read key file: ENOENT/ })
})

const encryptedKey = (): string =>
  generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'p' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  }).privateKey

test('a key of another user is refused', { skip: process.geteuid?.() !== 0 && 'only root can give it away' }, () => {
  const keyFile = write('foreign.key', readFileSync(good.keyFile, 'utf8'))
  chownSync(keyFile, 65534, 65534)
  assert.throws(() => readTlsFiles({ ...good, keyFile }), {
    message: `${keyFile}: private key belongs to another user (id 65534); run chown on it`,
  })
})
