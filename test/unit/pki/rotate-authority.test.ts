import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import {
  abortRotation,
  beginRotation,
  describeAuthority,
  finishRotation,
  refreshTrust,
  renewLeaf,
  revoke,
  switchRotation,
} from '../../../src/pki/index.ts'
import { readCertificates } from '../../../src/x509/index.ts'
import { TestFolder } from './test-folder.ts'

const rolesOf = (dir: string): string[] => describeAuthority(dir).keys.map(({ role }) => role)

/** As a party with this ca.crt and crl.pem judges a certificate. */
function accepts(folder: TestFolder, trust: string, certificate: string): boolean {
  try {
    folder.openssl('verify', '-x509_strict', '-CAfile', trust, '-untrusted', certificate, certificate)
    return true
  } catch {
    return false
  }
}

test('a cluster survives each step: whoever has the ca.crt of the step before accepts all certificates of this one', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  const m1 = folder.issue('m1')
  const m2 = folder.issue('m2')
  const save = (step: string): string => folder.write(`${step}.crt`, folder.read('ca', 'ca.crt'))
  const atStart = save('start')

  beginRotation({ dir })
  const begun = save('begun')
  assert.deepEqual(rolesOf(dir), ['issuing', 'next'])
  const m3 = folder.issue('m3')
  for (const certificate of [m1, m2, m3])
    for (const trust of [atStart, begun]) assert.ok(accepts(folder, trust, certificate.certFile))

  switchRotation({ dir })
  const switched = save('switched')
  assert.deepEqual(rolesOf(dir), ['last', 'issuing'])
  renewLeaf({ dir, certFile: m1.certFile, keyFile: null })
  const m4 = folder.issue('m4')
  for (const certificate of [m1, m2, m3, m4])
    for (const trust of [begun, switched]) assert.ok(accepts(folder, trust, certificate.certFile), certificate.certFile)
  assert.equal(accepts(folder, atStart, m4.certFile), false)

  assert.throws(() => finishRotation({ dir }), {
    message: /2 certificates of the key before are in use \(m2, m3\): renew or revoke them first/,
  })
  renewLeaf({ dir, certFile: m2.certFile, keyFile: m2.keyFile })
  revoke({ dir, serial: m3.serial, reason: 'cessationOfOperation' })
  finishRotation({ dir })
  const finished = save('finished')
  assert.deepEqual(rolesOf(dir), ['retired', 'issuing'])
  for (const certificate of [m1, m2, m4])
    for (const trust of [switched, finished]) assert.ok(accepts(folder, trust, certificate.certFile))
  assert.equal(accepts(folder, finished, m3.certFile), false)
  assert.equal(readCertificates(Buffer.from(folder.read('ca', 'ca.crt'))).length, 1)
})

test('while both keys are trusted, crl.pem has a list of each', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  const m1 = folder.issue('m1')
  const m2 = folder.issue('m2')
  revoke({ dir, serial: m1.serial, reason: 'keyCompromise' })
  beginRotation({ dir, commonName: 'authority two' })
  switchRotation({ dir })
  const m3 = folder.issue('m3')
  const m4 = folder.issue('m4')
  revoke({ dir, serial: m3.serial, reason: 'superseded' })
  const verify = (file: string): string =>
    folder.openssl('verify', '-crl_check', '-CAfile', 'ca/ca.crt', '-CRLfile', 'ca/crl.pem', file)
  for (const { certFile } of [m1, m3]) assert.throws(() => verify(certFile), /certificate revoked/)
  for (const { certFile } of [m2, m4]) assert.match(verify(certFile), /OK/)
})

test('given up before the switch, all is as before', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  const before = folder.read('ca', 'ca.crt')
  beginRotation({ dir })
  abortRotation({ dir })
  assert.equal(folder.read('ca', 'ca.crt'), before)
  beginRotation({ dir })
  assert.deepEqual(rolesOf(dir), ['issuing', 'retired', 'next'])
})

test('steps out of order are refused, and say which one is next', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  for (const [work, reason] of [
    [switchRotation, /nothing to switch: no rotation is going on/],
    [abortRotation, /nothing to abort: no rotation is going on/],
    [finishRotation, /nothing to finish: no rotation is going on/],
    [beginRotation, null],
    [beginRotation, /a rotation has begun, the next step is --switch \(or --abort\)/],
    [finishRotation, /nothing to finish: a rotation has begun/],
    [switchRotation, null],
    [switchRotation, /a rotation has switched, the next step is --finish/],
    [abortRotation, /nothing to abort: a rotation has switched/],
    [beginRotation, /a rotation has switched/],
    [finishRotation, null],
    [finishRotation, /no rotation is going on/],
  ] as const)
    if (reason === null) work({ dir })
    else assert.throws(() => work({ dir }), { name: 'PkiError', message: reason })
})

test('a step that was interrupted after the index is completed by the next command', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  const before = folder.read('ca', 'ca.crt')
  beginRotation({ dir })
  const begun = folder.read('ca', 'ca.crt')
  folder.write('ca/ca.crt', before)
  folder.issue('m1')
  assert.equal(folder.read('ca', 'ca.crt'), begun)
})

test('a begin that was interrupted before the index begins anew', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  folder.write('ca/ca-2.key', 'left by a crash')
  beginRotation({ dir })
  switchRotation({ dir })
  folder.issue('m1')
})

test('the next key that is damaged does not become the one that issues', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  beginRotation({ dir })
  rmSync(folder.path('ca', 'ca-2.key'))
  assert.throws(() => switchRotation({ dir }), /ca-2\.key: cannot read: ENOENT/)
  folder.issue('m1')
  abortRotation({ dir })
})

test('finish by force cuts off what is left', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  const m1 = folder.issue('m1')
  beginRotation({ dir })
  switchRotation({ dir })
  finishRotation({ dir, force: true })
  assert.equal(accepts(folder, folder.path('ca', 'ca.crt'), m1.certFile), false)
})

test('an intermediate authority rotates without anybody’s ca.crt', () => {
  using folder = new TestFolder()
  folder.init('root', { kind: 'parent' })
  const parent = { dir: folder.path('root'), passphrase: null }
  const dir = folder.init('ca', { parent, validityDays: 50 })
  const m1 = folder.issue('m1')
  const trust = folder.write('trust.crt', folder.read('ca', 'ca.crt'))
  assert.throws(() => beginRotation({ dir }), /is an intermediate authority: name its parent/)
  beginRotation({ dir, parent })
  switchRotation({ dir })
  const m2 = folder.issue('m2')
  for (const { certFile } of [m1, m2]) assert.ok(accepts(folder, trust, certFile))
  revoke({ dir, serial: m1.serial, reason: 'superseded' })
  finishRotation({ dir })
  assert.equal(describeAuthority(parent.dir).issued.length, 2)
})

test('the root above an intermediate authority rotates', () => {
  using folder = new TestFolder()
  const root = folder.init('root', { kind: 'parent' })
  const parent = { dir: root, passphrase: null }
  const dir = folder.init('ca', { parent, validityDays: 50 })
  assert.throws(() => beginRotation({ dir: root, parent }), /has no parent/)
  beginRotation({ dir: root })
  refreshTrust(dir, root)
  assert.equal(folder.read('ca', 'ca.crt'), folder.read('root', 'ca.crt'))
  switchRotation({ dir: root })
  beginRotation({ dir, parent })
  switchRotation({ dir })
  const m1 = folder.issue('m1')
  assert.throws(() => finishRotation({ dir: root }), /1 certificates of the key before are in use \(authority ca\)/)
  finishRotation({ dir: root, force: true })
  refreshTrust(dir, root)
  assert.ok(accepts(folder, folder.path('ca', 'ca.crt'), m1.certFile))
  assert.throws(() => refreshTrust(root, dir), /has no parent/)
})
