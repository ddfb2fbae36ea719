import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CallAudit, type Judgement } from '../../../src/audit/call-audit.ts'
import { changeJson } from '../../../src/audit/change-json.ts'
import { type AuditPolicy, defaultPolicy, levelsOfMethod } from '../../../src/audit/levels.ts'
import type { Recorder } from '../../../src/audit/recorder.ts'
import { leaseJson, needsJson, peerJson, rangeJson, textJson } from '../../../src/audit/render.ts'
import { identity, type Operation, putOperation, reading, root } from '../../../src/auth/operation.ts'
import { leaseId } from '../../../src/base/ids.ts'
import { pointRange, rangeFromWire } from '../../../src/base/key-range.ts'
import { Code } from '../../../src/errors.ts'
import type { AuthChange } from '../../../src/wire/gen/internal.ts'

interface Options {
  readonly isRequired?: boolean
  readonly isLong?: boolean
  readonly method?: string
  readonly policy?: AuditPolicy
}

function audited({
  isRequired = false,
  isLong = false,
  method = 'etcdserverpb.KV/Put',
  policy = defaultPolicy,
}: Options = {}) {
  const lines: string[] = []
  let kept = 0
  const recorder = {
    record: (line: string) => void lines.push(line),
    persist: (line: string) => {
      lines.push(line)
      kept++
      return Promise.resolve(true)
    },
  } as unknown as Recorder
  const surroundings = {
    recorder,
    field: ',"member":"a"',
    requestPrefix: 'p-',
    isRequired,
    nowMs: () => 1_700_000_000_123,
  }
  const audit = new CallAudit(
    surroundings,
    { field: `,"method":"${method}"`, isLong, levelOf: levelsOfMethod(policy, method) },
    ',"peer":"127.0.0.1:1"',
    7,
  )
  const records = (): Record<string, unknown>[] => lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  return { audit, lines, records, kept: () => kept }
}

const alice: Judgement = {
  caller: { kind: 'user', id: 1, token: null, scope: null },
  user: 'alice',
  rule: 'keys',
  isDenied: false,
}
const put = (key: string): Operation =>
  putOperation({
    key: Buffer.from(key),
    value: Buffer.from('hidden'),
    lease: 0n,
    prev_kv: false,
    ignore_value: false,
    ignore_lease: false,
  })

test('a call is one record, with what was decided and what came of it', () => {
  const { audit, records, lines } = audited()
  const needed = (): Operation => put('/a')
  audit.received(10)
  audit.judged(needed, needed(), alice)
  audit.answeredAt(5)
  audit.sent(20)
  audit.ended(Code.Ok)
  const [record, ...more] = records()
  assert.equal(more.length, 0)
  const { ms, ...rest } = record!
  assert.ok(Number(ms) >= 0)
  assert.deepEqual(rest, {
    ...{ kind: 'call', time: '2023-11-14T22:13:20.123Z', member: 'a', request: 'p-7', peer: '127.0.0.1:1' },
    ...{ user: 'alice', by: 'certificate', method: 'etcdserverpb.KV/Put', writes: [{ key: '/a' }] },
    ...{ verdict: 'allowed', rule: 'keys', revision: 5, code: 'OK', in: 10, out: 20 },
  })
  assert.ok(lines[0]!.endsWith('}\n'))
})

test('the same question asked again is the same decision; another one is another', () => {
  const { audit, records } = audited({ method: 'v3lockpb.Lock/Unlock' })
  const first = (): Operation => put('/a')
  const second = (): Operation => put('/b')
  audit.judged(first, first(), alice)
  audit.judged(first, first(), alice)
  audit.judged(() => identity, identity, alice)
  audit.judged(second, second(), alice)
  audit.ended(Code.Ok)
  assert.deepEqual(
    records().map(({ kind, writes }) => [kind, writes]),
    [
      ['decision', [{ key: '/a' }]],
      ['call', [{ key: '/b' }]],
    ],
  )
})

test('what is judged once more by a newer state is not written down twice', () => {
  const { audit, records } = audited()
  audit.judged(null, put('/a'), { ...alice, isDenied: true, rule: 'write' })
  audit.detail(',"change":1')
  audit.again()
  audit.judged(null, put('/a'), alice)
  audit.ended(Code.Ok)
  assert.deepEqual(
    records().map(({ verdict, change }) => [verdict, change]),
    [['allowed', undefined]],
  )
})

test('a call that lasts has its decisions written down when they are made', () => {
  const { audit, records } = audited({ isLong: true, method: 'v3lockpb.Lock/Lock' })
  audit.judged(null, put('/a'), alice)
  assert.deepEqual(
    records().map(({ kind }) => kind),
    ['decision'],
  )
  audit.ended(Code.Canceled)
  assert.deepEqual(
    records().map(({ kind, code }) => [kind, code]),
    [
      ['decision', undefined],
      ['call', 'Canceled'],
    ],
  )
})

test('a login that is decided when its client has gone has a record of its own, once', () => {
  for (const isRequired of [false, true])
    for (const rule of ['wrong password', 'right password']) {
      const { audit, records } = audited({ isRequired, method: 'etcdserverpb.Auth/Authenticate' })
      audit.ended(Code.Canceled)
      const isDenied = rule === 'wrong password'
      audit.login('alice', rule, isDenied)
      // As before a token is given.
      if (!isDenied) void audit.persisted()
      const [call, decision, ...more] = records()
      assert.deepEqual([call!.kind, call!.verdict, more], ['call', 'refused', []])
      const { kind, request, user, by, verdict } = decision!
      assert.deepEqual([kind, request, user, by], ['decision', call!.request, 'alice', 'password'])
      assert.deepEqual([verdict, decision!.rule], [isDenied ? 'denied' : 'allowed', rule])
    }
})

test('where it is required, a change waits until its decision is kept', async () => {
  const { audit, records, kept } = audited({ isRequired: true })
  audit.judged(null, put('/a'), alice)
  assert.equal(await audit.persisted(), true)
  assert.equal(kept(), 1)
  audit.ended(Code.Ok)
  assert.deepEqual(
    records().map(({ kind }) => kind),
    ['decision', 'call'],
  )
  assert.equal(audited().audit.persisted(), null)
})

test('what its caller lost the right to on its way is denied, and says where', () => {
  const { audit, records } = audited()
  audit.judged(null, put('/a'), alice)
  audit.deniedAtApply('permissionDenied')
  audit.failed('permissionDenied')
  audit.ended(Code.PermissionDenied)
  const [{ verdict, rule, reason } = {}] = records()
  assert.deepEqual([verdict, rule, reason], ['denied', 'at apply: permissionDenied', 'permissionDenied'])
})

test('a call that goes on until its caller loses the right to it is denied in the end', () => {
  const { audit, records } = audited({ isLong: true, method: 'v3lockpb.Lock/Lock' })
  audit.judged(null, put('/a'), alice)
  audit.failed('permissionDenied')
  audit.ended(Code.PermissionDenied)
  assert.deepEqual(
    records().map(({ kind, verdict, rule }) => [kind, verdict, rule]),
    [
      ['decision', 'allowed', 'keys'],
      ['call', 'denied', 'no longer: permissionDenied'],
    ],
  )
})

test('a request that is none was not judged', () => {
  const { audit, records } = audited()
  audit.failed('emptyKey')
  audit.ended(Code.InvalidArgument)
  const [{ verdict, rule, code } = {}] = records()
  assert.deepEqual([verdict, rule, code], ['refused', 'not judged', 'InvalidArgument'])
})

test('each way to be known has its own word', () => {
  const byOf = (judgement: Judgement): unknown => {
    const { audit, records } = audited()
    audit.judged(null, root, judgement)
    audit.ended(Code.Ok)
    const [{ by, token, groups } = {}] = records()
    return [by, token, groups]
  }
  const mark = { revision: 1, issuedMs: 1, ids: [] }
  const id = Uint8Array.of(0xab, 1)
  const user = { kind: 'user', id: 1, scope: null } as const
  const denied = { user: '', rule: 'x', isDenied: true }
  assert.deepEqual(byOf({ caller: null, ...denied }), ['token', undefined, undefined])
  assert.deepEqual(byOf({ caller: { kind: 'stranger' }, ...denied }), ['certificate', undefined, undefined])
  assert.deepEqual(byOf({ caller: { kind: 'anonymous' }, ...denied }), [undefined, undefined, undefined])
  assert.deepEqual(byOf({ ...alice, caller: { ...user, token: mark } }), ['token', undefined, undefined])
  const signed = { ...mark, ids: [id] }
  assert.deepEqual(byOf({ ...alice, caller: { ...user, token: signed } }), ['signed token', 'ab01', undefined])
  const groups = { kind: 'groups', name: 'o', groups: ['oidc:g'], token: signed, scope: null } as const
  assert.deepEqual(byOf({ ...alice, caller: groups }), ['outside token', 'ab01', ['oidc:g']])
})

test('a rule about a user is not for whom an outside issuer calls so', () => {
  const policy: AuditPolicy = { rules: [{ level: 'none', users: ['alice'] }], default: 'keys' }
  const outside = {
    kind: 'groups',
    name: 'alice',
    groups: ['oidc:g'],
    token: { revision: null, issuedMs: 1, ids: [] },
    scope: null,
  } as const
  for (const [caller, want] of [
    [alice.caller, 0],
    [outside, 1],
  ] as const) {
    const needed = (): Operation => put('/a')
    const call = audited({ policy })
    call.audit.judged(needed, needed(), { ...alice, caller })
    call.audit.ended(Code.Ok)
    assert.deepEqual(
      call.records().map(({ user }) => user),
      Array(want).fill('alice'),
    )
    const required = audited({ policy, isRequired: true })
    required.audit.judged(needed, needed(), { ...alice, caller })
    assert.equal(required.audit.persisted() === null, want === 0)
    const watch = audited({ policy, method: 'etcdserverpb.Watch/Watch' })
    watch.audit.watch('created', 1n, pointRange(Buffer.from('/a')), { ...alice, caller })
    assert.equal(watch.lines.length, want)
  }
})

test('whatever is in a name or a key, a record is one line of JSON that no terminal obeys', () => {
  for (const text of ['"', '\\', '\n', '\u001b[2J', '\u009b', '\u202e', '\u2028', 'ä', '\ud800', '']) {
    const json = textJson(text)
    assert.equal(JSON.parse(json), text)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    assert.doesNotMatch(json, /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e]/)
  }
  for (const key of ['"a\\', 'a\n', '\u001b[2J', '\u202e', 'ä']
    .map((text) => Buffer.from(text))
    .concat(Buffer.of(0xff, 0))) {
    const json = rangeJson(pointRange(key))
    const { key: shown, encoding = 'utf8' } = JSON.parse(json) as { key: string; encoding?: BufferEncoding }
    assert.deepEqual(Buffer.from(shown, encoding), key)
    assert.match(json, /^[ -~\u00a1-\u02ff]*$/)
  }
})

test('keys that are too long are cut, with their length and hash', () => {
  const key = Buffer.alloc(1024 * 1024, 'k')
  for (const range of [pointRange(key), rangeFromWire(key, Buffer.of(0)), rangeFromWire(Buffer.from('a'), key)]) {
    const json = rangeJson(range)
    assert.ok(json.length < 3000)
    assert.match(json, /"bytes":1048576,.*"sha256":"[0-9a-f]{64}"/)
  }
  const needs = Array.from({ length: 5000 }, (_, n) => ({
    kind: 'read' as const,
    range: pointRange(Buffer.from(`k${n}`)),
  }))
  const { audit, lines } = audited()
  audit.judged(null, { kind: 'keys', needs }, alice)
  audit.ended(Code.Ok)
  assert.match(lines[0]!, /"moreRanges":4900/)
})

test('names of a certificate are written out', () => {
  const certificate = { commonNames: ['a"b'], uris: ['spiffe://x/y'], serial: '01', fingerprint: 'ff' }
  const { certificate: shown } = JSON.parse(`{"a":1${peerJson({ address: '[::1]:2', certificate })}}`)
  assert.deepEqual(shown, { names: ['a"b'], uris: ['spiffe://x/y'], serial: '01', sha256: 'ff' })
})

test('a change of users says names, and no hash of a password', () => {
  const changes: AuthChange['change'][] = [
    { $case: 'add_user', value: { name: 'n', password_hash: '$2b$secret', no_password: false, now_ms: 1n } },
    { $case: 'change_password', value: { name: 'n', password_hash: '$2b$secret', now_ms: 1n } },
    {
      $case: 'issue_token',
      value: { user_id: 1n, tokens_since: 1n, hash: Buffer.from('secret'), now_ms: 1n, ttl_ms: 1n },
    },
    { $case: 'grant_role', value: { user: 'u', role: 'r' } },
  ]
  for (const change of changes) {
    const json = changeJson(change!)
    assert.doesNotMatch(json, /secret/)
    const { change: shown } = JSON.parse(`{"a":1${json}}`) as { change: { what: string } }
    assert.equal(shown.what, change!.$case)
  }
})

test('a watch is told of with its id and range', () => {
  const { audit, records } = audited({ isLong: true, method: 'etcdserverpb.Watch/Watch' })
  const range = rangeFromWire(Buffer.from('a'), Buffer.from('b'))
  audit.watch('created', 3n, range, alice)
  audit.watch('revoked', 3n, range, { ...alice, isDenied: true, rule: 'read' })
  assert.deepEqual(
    records().map(({ kind, event, watch, reads, verdict }) => [kind, event, watch, reads, verdict]),
    [
      ['watch', 'created', 3, [{ prefix: 'a' }], 'allowed'],
      ['watch', 'revoked', 3, [{ prefix: 'a' }], 'denied'],
    ],
  )
  assert.equal(reading(range).kind, 'keys')
})

test('who asks after a user with a name of a megabyte cannot fill the trail with it', () => {
  const { audit, lines } = audited({ method: 'etcdserverpb.Auth/UserGet' })
  const asked: Operation = { kind: 'user', name: '\u0001'.repeat(1024 * 1024) }
  audit.judged(() => asked, asked, { ...alice, isDenied: true, rule: 'root' })
  audit.ended(Code.PermissionDenied)
  assert.ok(lines[0]!.length < 8 * 1024, `${lines[0]!.length} characters`)
})

test('leases are written as etcdctl prints them, with their zeros', () => {
  assert.equal(leaseJson(0x8cf15f9c6f7947fn), ',"leases":["08cf15f9c6f7947f"]')
  const needs = [{ kind: 'writeLease' as const, lease: leaseId(0x8cf15f9c6f7947fn) }]
  assert.equal(needsJson({ kind: 'keys', needs }), ',"leases":["08cf15f9c6f7947f"]')
})
