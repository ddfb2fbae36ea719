import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import {
  beginRotation,
  describeAuthority,
  publishRevocations,
  reindex,
  renewLeaf,
  revoke,
  switchRotation,
} from '../../../src/pki/index.ts'
import { TestFolder } from './test-folder.ts'

/** An authority with a history: two keys, certificates renewed and revoked, three lists. */
function withHistory(folder: TestFolder): string {
  const dir = folder.init()
  const m1 = folder.issue('m1')
  const m2 = folder.issue('m2', { uris: ['leasehold://c/m2'] })
  folder.issue('app', { profile: 'client', dnsNames: [] })
  revoke({ dir, serial: m2.serial, reason: 'keyCompromise' })
  beginRotation({ dir })
  switchRotation({ dir })
  renewLeaf({ dir, certFile: m1.certFile, keyFile: null })
  return dir
}

test('the end of the index is missed, whatever it was', () => {
  using folder = new TestFolder()
  const dir = withHistory(folder)
  const before = essence(dir)
  const lines = folder.read('ca', 'index.jsonl').split('\n')
  // The first line alone is what an authority has that did nothing yet, and all of them are what it should have.
  for (let left = 1; left < lines.length - 1; left++) {
    folder.write('ca/index.jsonl', `${lines.slice(0, left).join('\n')}\n`)
    assert.throws(() => describeAuthority(dir), /lines are missing/, `${left} lines`)
    reindex(dir)
    assert.deepEqual(essence(dir), before, `${left} lines`)
  }
})

/** All that matters, in an order of its own: copies are found in that of their serials. */
const essence = (dir: string) => {
  const { keys, issued, crlNumber, rotation } = describeAuthority(dir)
  return { keys, issued: issued.toSorted((a, b) => a.serial.localeCompare(b.serial)), crlNumber, rotation }
}

for (const [name, damage] of [
  ['lost', (folder: TestFolder) => rmSync(folder.path('ca', 'index.jsonl'))],
  ['empty', (folder: TestFolder) => folder.write('ca/index.jsonl', '')],
  ['noise', (folder: TestFolder) => folder.write('ca/index.jsonl', Buffer.alloc(5000, 0xfe))],
  ['cut off', (folder: TestFolder) => folder.write('ca/index.jsonl', folder.read('ca', 'index.jsonl').slice(0, -70))],
  [
    'without its last lines',
    (folder: TestFolder) =>
      folder.write('ca/index.jsonl', `${folder.read('ca', 'index.jsonl').split('\n').slice(0, 3).join('\n')}\n`),
  ],
  [
    'without a line in the middle',
    (folder: TestFolder) =>
      folder.write('ca/index.jsonl', folder.read('ca', 'index.jsonl').split('\n').toSpliced(4, 1).join('\n')),
  ],
  [
    'with a revocation taken out',
    (folder: TestFolder) =>
      folder.write(
        'ca/index.jsonl',
        folder
          .read('ca', 'index.jsonl')
          .split('\n')
          .filter((line) => !line.includes('"event":"revoked"'))
          .join('\n'),
      ),
  ],
] as const)
  test(`an index that is ${name} is named, used for nothing, and made again as it was`, () => {
    using folder = new TestFolder()
    const dir = withHistory(folder)
    const before = essence(dir)
    damage(folder)
    const named = { name: 'PkiError', message: /ca\/index\.jsonl: .*see: leasehold pki reindex/ }
    assert.throws(() => folder.issue('m9'), named)
    assert.throws(() => publishRevocations({ dir }), named)
    assert.throws(() => describeAuthority(dir), named)
    const { damagedIndex } = reindex(dir)
    assert.equal(damagedIndex === null, name === 'lost')
    const after = essence(dir)
    assert.deepEqual(after, before)
    assert.ok(publishRevocations({ dir }).number > before.crlNumber)
    folder.issue('m9')
    assert.throws(() => reindex(dir), { message: /index\.jsonl: is sound, there is nothing to do/ })
  })

test('a copy that was put there is not taken for a certificate of the authority', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  const { serial } = folder.issue('m1')
  folder.write(`ca/issued/ab.crt`, folder.read('ca', 'issued', `${serial}.crt`))
  assert.throws(() => folder.issue('m2'), /lines are missing: certificate ab is kept here/)
  assert.throws(() => reindex(dir), /ab\.crt: is not a copy that was made here; move it away/)
})

test('a damaged copy or list is named', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  const { serial } = folder.issue('m1')
  publishRevocations({ dir })
  rmSync(folder.path('ca', 'index.jsonl'))
  const list = folder.read('ca', 'crl.pem')
  folder.write('ca/crl.pem', list.slice(0, 100))
  assert.throws(() => reindex(dir), /crl\.pem: PEM block 1 \(X509 CRL\) does not end/)
  folder.write('ca/crl.pem', list)
  folder.write(`ca/issued/${serial}.crt`, '')
  assert.throws(() => reindex(dir), /issued\/[0-9a-f]{32}\.crt: it is empty/)
})

test('without ca.crt nobody can tell which of two keys issues', () => {
  using folder = new TestFolder()
  const dir = withHistory(folder)
  rmSync(folder.path('ca', 'index.jsonl'))
  rmSync(folder.path('ca', 'ca.crt'))
  assert.throws(() => reindex(dir), /ca\.crt: cannot read: ENOENT/)
})

test('a folder without an authority', () => {
  using folder = new TestFolder()
  assert.throws(() => reindex(folder.path('none')), /none: there is no such folder/)
  folder.init()
  for (const name of ['ca-1.crt', 'index.jsonl']) rmSync(folder.path('ca', name))
  assert.throws(() => reindex(folder.path('ca')), /ca-1\.crt: is missing: there is no authority in this folder/)
})
