import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expiring, parsePeriod, publishRevocations, renewLeaf, revoke } from '../../../src/pki/index.ts'
import { TestFolder } from './test-folder.ts'

const day = 86_400_000

test('what ends soon or just did, soonest first; not what was revoked or replaced', () => {
  using folder = new TestFolder()
  const dir = folder.init()
  folder.issue('ten', { validityDays: 10 })
  folder.issue('twenty', { validityDays: 20 })
  const replaced = folder.issue('replaced', { validityDays: 10 })
  renewLeaf({ dir, certFile: replaced.certFile, keyFile: null, validityDays: 90 })
  const revoked = folder.issue('revoked', { validityDays: 10 })
  revoke({ dir, serial: revoked.serial, reason: 'superseded' })
  const names = (withinMs: number, afterMs = 0) =>
    expiring({ dir, files: [], withinMs }, Date.now() + afterMs).map(({ name, expired }) => [
      name.replace(/.*\//, ''),
      expired,
    ])
  assert.deepEqual(names(9 * day), [])
  assert.deepEqual(names(30 * day), [
    ['ten', false],
    ['twenty', false],
  ])
  assert.deepEqual(names(5 * day, 12 * day), [['ten', true]])
  assert.deepEqual(names(9 * day, 12 * day), [
    ['ten', true],
    ['twenty', false],
  ])
  // Two thirds of the list's thirty days are over; then it is overdue, and stays so however long ago that was.
  assert.deepEqual(names(15 * day, 21 * day).at(-1), ['crl.pem', false])
  assert.deepEqual(names(1 * day, 60 * day), [['crl.pem', true]])
  publishRevocations({ dir, listDays: 365 })
  assert.deepEqual(names(5 * day, 60 * day), [])
  assert.deepEqual(names(30 * day, 99 * day).at(-1), ['authority ca', false])
})

test('files beside, which no authority here knows', () => {
  using folder = new TestFolder()
  folder.openssl(
    ...['req', '-x509', '-newkey', 'ed25519', '-nodes', '-keyout', 'a.key', '-subj', '/CN=a', '-days', '5'],
    ...['-out', 'a.crt'],
  )
  const file = folder.path('a.crt')
  assert.equal(expiring({ dir: null, files: [file], withinMs: 4 * day }).length, 0)
  assert.deepEqual(
    expiring({ dir: null, files: [file], withinMs: 6 * day }).map(({ name, what }) => [name, what]),
    [[file, 'certificate']],
  )
  assert.throws(() => expiring({ dir: null, files: [folder.path('a.key')], withinMs: day }), /a\.key: no certificate/)
})

for (const [text, want] of [
  ['36h', 1.5 * day],
  ['30d', 30 * day],
  ['4w', 28 * day],
  ['0d', 0],
] as const)
  test(`the period ${text}`, () => assert.equal(parsePeriod(text), want))

for (const text of ['', '30', 'd', '-1d', '1.5d', '30 d', '1m', '999999d', '30D'])
  test(`no period: ${JSON.stringify(text)}`, () => {
    assert.throws(() => parsePeriod(text), { name: 'PkiError', message: /not a period/ })
  })
