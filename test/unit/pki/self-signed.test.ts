import assert from 'node:assert/strict'
import { chmodSync, statSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { makeSelfSigned } from '../../../src/pki/index.ts'
import { readCertificates } from '../../../src/x509/index.ts'
import { TestFolder } from './test-folder.ts'

const day = 24 * 60 * 60 * 1000
const hosts = ['localhost', '127.0.0.1', '::1']
const leafOf = (folder: TestFolder) => readCertificates(Buffer.from(folder.read('own', 'cert.pem')))[0]!

test('a self-signed certificate is for its hosts, both usages, and private', () => {
  using folder = new TestFolder()
  const nowMs = Date.now()
  assert.equal(makeSelfSigned({ dir: folder.path('own'), hosts, validityDays: 365 }, nowMs), true)
  const { extensions, notAfterMs, publicKey } = leafOf(folder)
  assert.deepEqual(extensions.alternativeNames.map(({ value }) => value).sort(), [...hosts].sort())
  assert.equal(extensions.extendedKeyUsage?.length, 2)
  assert.equal(extensions.basicConstraints?.ca, false)
  assert.equal(publicKey.asymmetricKeyType, 'ec')
  assert.ok(Math.abs(notAfterMs - nowMs - 365 * day) < 2000)
  assert.equal(statSync(folder.path('own')).mode & 0o777, 0o700)
  for (const name of ['cert.pem', 'key.pem']) assert.equal(statSync(folder.path('own', name)).mode & 0o777, 0o600)
})

for (const { name, spoil = () => {}, laterDays = 0, wanted = hosts, anew } of [
  { name: 'good', anew: false },
  { name: 'older than two thirds of its time', laterDays: 7, anew: true },
  { name: 'damaged', spoil: (folder: TestFolder) => writeFileSync(folder.path('own', 'cert.pem'), 'x'), anew: true },
  {
    name: 'empty of a key',
    spoil: (folder: TestFolder) => writeFileSync(folder.path('own', 'key.pem'), ''),
    anew: true,
  },
  {
    name: 'of another key',
    spoil: (folder: TestFolder) => {
      makeSelfSigned({ dir: folder.path('other'), hosts, validityDays: 9 })
      writeFileSync(folder.path('own', 'key.pem'), folder.read('other', 'key.pem'))
    },
    anew: true,
  },
  { name: 'not for a new host', wanted: [...hosts, '10.0.0.1'], anew: true },
]) {
  test(`one that is ${name} is ${anew ? 'made anew' : 'kept'}`, () => {
    using folder = new TestFolder()
    const options = { dir: folder.path('own'), hosts, validityDays: 9 }
    makeSelfSigned(options)
    const { serial } = leafOf(folder)
    spoil(folder)
    assert.equal(makeSelfSigned({ ...options, hosts: wanted }, Date.now() + laterDays * day), anew)
    assert.equal(leafOf(folder).serial !== serial, anew)
  })
}

test('a key that others may read is refused, not replaced', () => {
  using folder = new TestFolder()
  const options = { dir: folder.path('own'), hosts, validityDays: 9 }
  makeSelfSigned(options)
  chmodSync(folder.path('own', 'key.pem'), 0o644)
  assert.throws(() => makeSelfSigned(options), { name: 'PkiError', message: /accessible to group or others/ })
})
