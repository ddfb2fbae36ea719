import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { defaultPolicy, levelsOfMethod } from '../../../src/audit/levels.ts'
import { matcher } from '../../../src/audit/pattern.ts'
import { AuditPolicyError, parseAuditPolicy } from '../../../src/audit/policy-file.ts'
import { deleteOperation, type Operation, reading, usingLeases, writingLease } from '../../../src/auth/operation.ts'
import { leaseId } from '../../../src/base/ids.ts'
import { rangeFromWire } from '../../../src/base/key-range.ts'
import { cpuMs } from '../../support/cpu-time.ts'

const reads = (key: string, end = ''): Operation => reading(rangeFromWire(Buffer.from(key), Buffer.from(end)))
const deletes = (key: string, end = ''): Operation =>
  deleteOperation({ key: Buffer.from(key), range_end: Buffer.from(end), prev_kv: true })

const policy = parseAuditPolicy(`
version: 1
rules:
  - level: none
    comment: scraped all the time
    users: ["probe-*", root]
    methods: ["etcdserverpb.Maintenance/*"]
    verdicts: [allowed]
  - level: keys
    touches: [{ prefix: /secrets/ }]
  - level: none
    methods: ["*KV/Range"]
    within: [{ prefix: /cache/ }, { from: /cache0, to: /cache1 }]
default: metadata
`)

const range = 'etcdserverpb.KV/Range'
const status = 'etcdserverpb.Maintenance/Status'
for (const { name, method, user = 'alice', verdict = 'allowed', operation = null, want } of [
  { name: 'the default', method: range, operation: reads('/a'), want: 'metadata' },
  { name: 'by user and method', method: status, user: 'probe-1', want: 'none' },
  { name: 'by an exact user', method: status, user: 'root', want: 'none' },
  { name: 'another user', method: status, user: 'prober', want: 'metadata' },
  { name: 'another verdict', method: status, user: 'root', verdict: 'refused', want: 'metadata' },
  {
    name: 'a denial is never left out',
    method: range,
    verdict: 'denied',
    operation: reads('/cache/a'),
    want: 'metadata',
  },
  { name: 'all keys within', method: range, operation: reads('/cache/a', '/cache/b'), want: 'none' },
  { name: 'within two that touch', method: range, operation: reads('/cache/a', '/cache1'), want: 'none' },
  { name: 'more keys than within', method: range, operation: reads('/cache/', '/cachg'), want: 'metadata' },
  { name: 'one key touches', method: 'etcdserverpb.KV/DeleteRange', operation: deletes('/s', '/t'), want: 'keys' },
  { name: 'a lease may have any key', method: 'x', operation: writingLease(leaseId(7n)), want: 'keys' },
  { name: 'to have to do with leases is not to have keys', method: 'x', operation: usingLeases, want: 'metadata' },
  { name: 'no keys at all', method: range, want: 'metadata' },
] as const) {
  test(`levels: ${name}`, () => assert.equal(levelsOfMethod(policy, method)({ user, verdict, operation }), want))
}

test('without a file all is written down but what clients do to stay alive', () => {
  const levelOf = (method: string, verdict: 'allowed' | 'denied') =>
    levelsOfMethod(defaultPolicy, method)({ user: '', verdict, operation: null })
  assert.equal(levelOf(range, 'allowed'), 'keys')
  assert.equal(levelOf('etcdserverpb.Lease/LeaseKeepAlive', 'allowed'), 'none')
  assert.equal(levelOf('etcdserverpb.Lease/LeaseKeepAlive', 'denied'), 'keys')
  assert.equal(levelOf('grpc.health.v1.Health/Check', 'allowed'), 'none')
})

for (const [pattern, text, want] of [
  ['*', '', true],
  ['a*', 'a', true],
  ['a*b', 'ab', true],
  ['a*a', 'a', false],
  ['*KV/*', 'etcdserverpb.KV/Put', true],
  ['*a*a*', 'a', false],
  ['a.c', 'abc', false],
  ['abc', 'abcd', false],
] as const) {
  test(`pattern ${pattern} and ${JSON.stringify(text)}`, () => assert.equal(matcher([pattern])(text), want))
}

test('a pattern of many stars takes no longer than one of a few', () => {
  const began = cpuMs()
  assert.equal(matcher(['*a'.repeat(500)])('a'.repeat(400)), false)
  assert.ok(cpuMs() - began < 1000)
})

for (const [name, yaml, want] of [
  [
    'an unknown key',
    'version: 1\nrules:\n  - level: none\n    user: x\ndefault: keys\n',
    /^line 4, column 5: rules\.0\.user: /,
  ],
  ['another level', 'version: 1\nrules:\n  - level: all\ndefault: keys\n', /^line 3, column 5: rules\.0\.level: /],
  ['no default', 'version: 1\nrules: []\n', /^line 1, column 1: default: /],
  ['another version', 'version: 2\nrules: []\ndefault: keys\n', /^line 1, column 1: version: /],
  ['the same key twice', 'version: 1\nversion: 1\nrules: []\ndefault: keys\n', /^line 2, column 1: /],
  [
    'an empty prefix',
    'version: 1\nrules: [{ level: none, within: [{ prefix: "" }] }]\ndefault: keys\n',
    /^line 2, .*prefix is empty/,
  ],
  [
    'an inverted range',
    'version: 1\nrules: [{ level: none, touches: [{ from: b, to: a }] }]\ndefault: keys\n',
    /there is no key in it/,
  ],
  ['aliases', 'version: 1\nrules: [&a { level: none }, *a]\ndefault: keys\n', /^aliases are not taken/],
  ['nothing', '', /^line 1, column 1: the file: /],
  ['no YAML', 'version: [1\n', /^line \d+, column \d+: /],
] as const) {
  test(`rules are refused with the place: ${name}`, () => {
    assert.throws(
      () => parseAuditPolicy(yaml),
      (error) => {
        assert.ok(error instanceof AuditPolicyError)
        assert.match(error.message, want)
        return true
      },
    )
  })
}

test('the rules to start from are good ones', () => {
  const { rules } = parseAuditPolicy(
    readFileSync(new URL('../../../examples/audit-rules.yaml', import.meta.url), 'utf8'),
  )
  const levelOf = (method: string, user: string, operation: Operation | null): string =>
    levelsOfMethod({ rules, default: 'keys' }, method)({ user, verdict: 'allowed', operation })
  assert.equal(levelOf(range, 'alice', reads('/shared/a')), 'metadata')
  assert.equal(levelOf(range, 'alice', reads('/shared/', '/z')), 'keys')
  assert.equal(levelOf(range, 'alice', reads('/', '/z')), 'keys')
  assert.equal(levelOf(status, 'monitor-1', null), 'none')
})
