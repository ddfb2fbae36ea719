import assert from 'node:assert/strict'
import { existsSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { describeAuthority, initAuthority, issueLeaf, reindex } from '../../../src/pki/index.ts'
import { readCertificates } from '../../../src/x509/index.ts'
import { TestFolder } from './test-folder.ts'

/** In the order in which `init` makes them. */
const files = ['ca-1.key', 'ca-1.crt', 'index.jsonl', 'ca.crt'] as const

for (const [made, then] of [
  [0, 'init goes on'],
  [1, 'init explains'],
  [2, 'init explains'],
  [3, 'it is complete'],
] as const)
  test(`an init that was interrupted after ${made} files: ${then}`, () => {
    using folder = new TestFolder()
    const dir = folder.init()
    for (const name of files.slice(made)) rmSync(folder.path('ca', name))
    if (then === 'init goes on') folder.init()
    else if (then === 'init explains') {
      assert.throws(() => folder.issue('m1'), {
        message: /an init was interrupted here; run it again with --start-over/,
      })
      assert.throws(() => folder.init(), {
        message: /ca-1\.key: left by an init that was interrupted, nothing was issued with it: use --start-over/,
      })
      folder.init('ca', { startOver: true })
    } else assert.throws(() => folder.init('ca', { startOver: true }), { message: /index\.jsonl: exists already/ })
    folder.issue('m1')
    folder.openssl('verify', '-x509_strict', '-CAfile', 'ca/ca.crt', 'out/m1.crt')
    assert.equal(describeAuthority(dir).issued.length, 1)
  })

test('drafts that a killed process left are swept away', () => {
  using folder = new TestFolder()
  folder.init()
  folder.write('ca/.ca-1.key.0123456789ab', 'half a key')
  folder.issue('m1')
  assert.equal(existsSync(folder.path('ca', '.ca-1.key.0123456789ab')), false)
})

test('what is asked and cannot be leaves nothing behind', () => {
  using folder = new TestFolder()
  for (const options of [
    { commonName: '' },
    { commonName: 'a\u202eb' },
    { validityDays: 0 },
    { passphrase: 'short' },
  ]) {
    assert.throws(() => folder.init('ca', options), { name: 'PkiError' })
    assert.equal(existsSync(folder.path('ca')), false)
  }
  assert.throws(() => folder.init('ca', { parent: { dir: folder.path('ca'), passphrase: null } }), /its own parent/)
})

test('an encrypted key asks for its passphrase', () => {
  using folder = new TestFolder()
  folder.init('ca', { passphrase: 'correct horse' })
  assert.match(folder.read('ca', 'ca-1.key'), /^-----BEGIN ENCRYPTED PRIVATE KEY-----/)
  assert.throws(() => folder.issue('m1'), { message: /the authority key is encrypted: a passphrase is needed/ })
  assert.throws(() => folder.issue('m1', { passphrase: 'wrong horse' }), {
    message: /the authority key cannot be decrypted: wrong passphrase/,
  })
  assert.equal(describeAuthority(folder.path('ca')).issued.length, 0)
  folder.issue('m1', { passphrase: 'correct horse' })
  folder.openssl('pkey', '-in', 'ca/ca-1.key', '-passin', 'pass:correct horse', '-noout')
})

test('a root, an intermediate authority, and a leaf that is sent with it', () => {
  using folder = new TestFolder()
  folder.init('root', { kind: 'parent', passphrase: 'offline root' })
  const parent = { dir: folder.path('root'), passphrase: 'offline root' }
  folder.init('ca', { parent, validityDays: 50 })
  const { certFile, caFile } = folder.issue('m1')
  assert.equal(readCertificates(Buffer.from(folder.read('out', 'm1.crt'))).length, 2)
  assert.equal(folder.read('ca', 'ca.crt'), folder.read('root', 'ca.crt'))
  folder.openssl('verify', '-x509_strict', '-CAfile', caFile, '-untrusted', certFile, certFile)
  assert.deepEqual(
    describeAuthority(folder.path('root')).issued.map(({ profile, subject }) => ({ profile, subject })),
    [{ profile: 'intermediate', subject: 'authority ca' }],
  )
  // What the root signs is on record there; an intermediate signs no other.
  assert.throws(() => folder.init('below', { parent: { dir: folder.path('ca'), passphrase: null } }), {
    message: /the parent may not sign authorities: its path length is 0/,
  })
  assert.equal(existsSync(folder.path('below')), false)
})

test('an index that is gone is named, and nothing is issued without it', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  rmSync(folder.path('ca', 'index.jsonl'))
  assert.throws(() => folder.issue('m1'), { message: /index\.jsonl: is missing; see: leasehold pki reindex/ })
  assert.throws(() => folder.init(), { message: /ca\.crt: exists already; an authority is never overwritten/ })
  reindex(dir)
  folder.issue('m1')
})

test('a certificate of the authority that was exchanged is found', () => {
  using folder = new TestFolder()
  folder.init()
  folder.init('other')
  writeFileSync(folder.path('ca', 'ca-1.crt'), folder.read('other', 'ca-1.crt'))
  assert.throws(() => folder.issue('m1'), { message: /ca-1\.crt: is not the certificate in the index/ })
})

test('a lock that leads elsewhere, or a folder that is none', () => {
  using folder = new TestFolder()
  folder.init()
  rmSync(folder.path('ca', 'lock'))
  symlinkSync('/nonexistent/lock', folder.path('ca', 'lock'))
  assert.throws(() => folder.issue('m1'), { name: 'PkiError', message: /lock: cannot be locked/ })
  assert.throws(() => issueLeaf({ ...leaf, dir: folder.write('file', ''), outDir: folder.path('out') }), {
    name: 'PkiError',
  })
  assert.deepEqual(readdirSync(folder.root).sort(), ['ca', 'file'])
})

const leaf = { profile: 'client', commonName: 'x', name: 'x', dnsNames: [], ipAddresses: [], uris: [] }

test('an authority is made with the profile’s validity, within its bounds', () => {
  using folder = new TestFolder()
  initAuthority({ dir: folder.path('ca'), commonName: 'a' })
  const [key] = describeAuthority(folder.path('ca')).keys
  assert.ok(Math.abs(Date.parse(key!.notAfter) - Date.now() - 3650 * 86_400_000) < 60_000)
  assert.throws(() => folder.init('b', { validityDays: 7301 }), /1 to 7300 days, not 7301/)
})
