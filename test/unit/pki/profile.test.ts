import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createAuthority, issue, type LeafRequest, loadProfiles } from '../../../src/pki/index.ts'
import { TestFolder } from './test-folder.ts'

const shipped = readFileSync(new URL('../../../pki/profiles.yaml', import.meta.url), 'utf8')

for (const { name, change, reason } of [
  { name: 'not YAML', change: () => '{', reason: /profiles\.yaml: / },
  { name: 'empty', change: () => '', reason: /profiles\.yaml: : / },
  {
    name: 'an unknown field',
    change: (text: string) => text.replace('pathLength: 0', 'pathLength: 0\n    color: red'),
    reason: /authorities\.root: .*color/,
  },
  {
    name: 'an unknown usage',
    change: (text: string) => text.replace('[clientAuth]', '[codeSigning]'),
    reason: /certificates\.client\.extendedKeyUsage/,
  },
  {
    name: 'a default beyond the most',
    change: (text: string) => text.replace('validityDays: 90', 'validityDays: 366'),
    reason: /certificates\.client: validityDays is more than validityDaysMax/,
  },
  {
    name: 'a long chain',
    change: (text: string) => text.replace('pathLength: 1', 'pathLength: 2'),
    reason: /authorities\.parent\.pathLength/,
  },
  {
    name: 'a profile that is missing',
    change: (text: string) => text.replace('operator:', 'visitor:'),
    reason: /certificates\.operator/,
  },
])
  test(`profiles are refused: ${name}`, () => {
    using folder = new TestFolder()
    const file = folder.write('profiles.yaml', change(shipped))
    assert.throws(() => loadProfiles(file), { name: 'PkiError', message: reason })
  })

const authority = createAuthority({ commonName: 'a', validityDays: 10 })
const request: LeafRequest = {
  profile: 'member',
  commonName: 'm',
  dnsNames: ['localhost'],
  ipAddresses: [],
  uris: [],
  validityDays: null,
}

for (const { name, change, reason } of [
  { name: 'DNS names for an operator', change: { profile: 'operator' }, reason: /operator allows no dns names/ },
  {
    name: 'a member’s URI for a client',
    change: { profile: 'client', uris: ['leasehold://c/m'] },
    reason: /client does not make members/,
  },
  {
    name: 'a member’s URI for a proxy, in capitals',
    change: { profile: 'proxy', uris: ['LEASEHOLD://c/m'] },
    reason: /proxy does not make members/,
  },
  { name: 'a member’s URI with three parts', change: { uris: ['leasehold://c/m/x'] }, reason: /not a member's URI/ },
  { name: 'a member’s URI that is escaped', change: { uris: ['leasehold://c/%6d'] }, reason: /not a member's URI/ },
  { name: 'too many names', change: { dnsNames: Array(101).fill('x') }, reason: /101 alternative names/ },
  { name: 'a huge URI', change: { uris: [`a:${'b'.repeat(1_000_000)}`] }, reason: /not a URI/ },
  { name: 'a right-to-left mark', change: { commonName: 'a\u200fb' }, reason: /common name must be/ },
  { name: 'half a character', change: { commonName: 'a\ud800b' }, reason: /common name must be/ },
] as readonly { readonly name: string; readonly change: Partial<LeafRequest>; readonly reason: RegExp }[])
  test(`a profile refuses: ${name}`, () => {
    assert.throws(() => issue(authority, { ...request, ...change }), { name: 'PkiError', message: reason })
  })
