import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memberUri, parseMemberUri } from '../../../src/x509/index.ts'

test('a member’s URI is read as it was written', () => {
  const name = { cluster: 'etcd-cluster', member: 'm_1.example~' }
  assert.equal(memberUri(name), 'leasehold://etcd-cluster/m_1.example~')
  assert.deepEqual(parseMemberUri(memberUri(name)!), name)
})

for (const uri of [
  'leasehold:',
  'leasehold://',
  'leasehold://c',
  'leasehold://c/',
  'leasehold:///m',
  'leasehold://c/m/',
  'leasehold://c/m?x',
  'leasehold://c/m#x',
  'leasehold://c/%6d',
  'leasehold://u@c/m',
  'leasehold://c/m\0',
  'leasehold://c/..',
  'LEASEHOLD://c/m',
  'https://c/m',
  `leasehold://c/${'m'.repeat(129)}`,
])
  test(`no member’s URI: ${JSON.stringify(uri.slice(0, 40))}`, () => assert.equal(parseMemberUri(uri), null))

for (const member of ['', '.', '..', 'a/b', 'a b', 'ä', '-m', 'm'.repeat(129)])
  test(`no member’s name: ${JSON.stringify(member.slice(0, 40))}`, () =>
    assert.equal(memberUri({ cluster: 'c', member }), null))
