import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { authorize } from '../../../src/auth/authorize.ts'
import type { Caller } from '../../../src/auth/caller.ts'
import {
  auditing,
  backingUp,
  deleteOperation,
  identity,
  known,
  type Operation,
  operating,
  putOperation,
  rangeOperation,
  root,
  txnOperation,
  usingLeases,
} from '../../../src/auth/operation.ts'
import { parseScope, ScopeError, scopeClaim, scopeCovers } from '../../../src/auth/scope.ts'
import { limits } from '../../../src/base/limits.ts'
import { deleteRequests, putRequests, rangeRequests, txnRequests } from '../../support/arbitrary-requests.ts'
import { rulesWith, userCaller, userWith } from '../../support/auth-tables.ts'
import { bytes, putRequest, rangeRequest } from '../../support/commands.ts'

const { view, rules } = rulesWith(...userWith('alice', 'readwrite a,c', 'read p,q'))

/** Why the user may not with a token of that scope; null: it may. */
function judge(user: string, claim: unknown, operation: Operation): string | null {
  const caller = { ...userCaller(view, user), scope: parseScope(claim) } as Caller
  const denial = authorize(rules, view, caller, operation)
  return denial === null ? null : denial.rule
}

const get = (key: string) => rangeOperation(rangeRequest({ key: bytes(key) }))
const put = (key: string) => putOperation(putRequest({ key: bytes(key), value: bytes('') }))
const readA = [{ verbs: ['read'], key: 'a' }]
const admin = [{ verbs: ['admin'] }]

for (const [name, user, claim, operation, want] of [
  ['what scope and role allow', 'alice', readA, get('a'), null],
  ['a key that only the role has', 'alice', readA, get('b'), 'scope: read'],
  ['a verb that only the role has', 'alice', readA, put('a'), 'scope: write'],
  ['a key that only the scope has', 'alice', [{ verbs: ['read'], key: 'z' }], get('z'), 'read'],
  ['a verb that only the scope has', 'alice', [{ verbs: ['write'], key: 'p' }], put('p'), 'write'],
  ['root outside of the scope', 'root', readA, get('b'), 'scope: read'],
  ['root within the scope', 'root', readA, get('a'), null],
  ['what root may, without the verb', 'root', readA, root, 'scope: root'],
  ['what root may', 'root', admin, root, null],
  ['what root may, by another', 'alice', admin, root, 'root'],
  ['who I am, whatever the scope', 'alice', readA, known, null],
  ['the members, without the verb', 'alice', readA, identity, 'scope: identity'],
  ['the members', 'alice', [{ verbs: ['monitor'] }], identity, null],
  ['a lease, without the verb', 'alice', [{ verbs: ['read', 'write'], prefix: 'a' }], usingLeases, 'scope: lease'],
  ['a lease', 'alice', [{ verbs: ['lease'] }], usingLeases, null],
  ['compaction by root that may only operate', 'root', [{ verbs: ['operate'] }], operating, null],
  ['a backup by root that may only operate', 'root', [{ verbs: ['operate'] }], backingUp, 'scope: capability'],
  ['auditing by who has no such role', 'alice', [{ verbs: ['audit'] }], auditing, 'capability'],
] as const) {
  test(`${name}: ${want ?? 'allowed'}`, () => assert.equal(judge(user, claim, operation), want))
}

for (const [claim, why] of [
  ['read', /is a list/],
  [[], /allows something/],
  [[{ key: 'a' }], /verbs is not a list/],
  [[{ verbs: [] }], /needs verbs/],
  [[{ verbs: ['fly'] }], /no such verb: "fly"/],
  [[{ verbs: ['read'] }], /read need a range/],
  [[{ verbs: ['read', 'lease'], key: 'a' }], /only read and write have a range/],
  [[{ verbs: ['lease'], key: 'a' }], /only read and write have a range/],
  [[{ verbs: ['read'], key: 'a', to: 'b' }], /to goes with from/],
  [[null], /is an object/],
  [Array(limits.scopeEntriesMax + 1).fill({ verbs: ['lease'] }), /at most/],
] as const) {
  test(`no scope: ${JSON.stringify(claim).slice(0, 60)}`, () => {
    assert.throws(() => parseScope(claim), { name: 'ScopeError', message: why })
    assert.ok(new ScopeError('') instanceof Error)
  })
}

const range = fc.oneof(
  fc.constantFrom('a', 'ab', 'b', 'c').map((key) => ({ key })),
  fc.constantFrom('a', 'b').map((prefix) => ({ prefix })),
  fc.constantFrom('a', 'ab', 'b').map((from) => ({ from, to: 'd' })),
  fc.constantFrom('a', 'b').map((from) => ({ from })),
  fc.constant({ all: true }),
)
const entry = fc.oneof(
  fc.tuple(fc.subarray(['read', 'write'], { minLength: 1 }), range).map(([verbs, where]) => ({ verbs, ...where })),
  fc.subarray(['lease', 'monitor', 'admin'], { minLength: 1 }).map((verbs) => ({ verbs })),
)
const claims = fc.array(entry, { minLength: 1, maxLength: 4 })
const operations: fc.Arbitrary<Operation> = fc.oneof(
  rangeRequests.map(rangeOperation),
  putRequests.map(putOperation),
  deleteRequests.map(deleteOperation),
  txnRequests.map(txnOperation),
  fc.constantFrom(root, identity, usingLeases, known),
)

test('a scope is read as it is written', () => {
  fc.assert(
    fc.property(claims, (claim) => {
      const scope = parseScope(claim)
      assert.deepEqual(parseScope(JSON.parse(JSON.stringify(scopeClaim(scope)))), scope)
    }),
  )
})

test('a scope never widens what the user may', () => {
  fc.assert(
    fc.property(claims, operations, (claim, operation) => {
      const denied = authorize(rules, view, userCaller(view, 'alice'), operation)
      if (denied !== null) assert.equal(judge('alice', claim, operation), denied.rule)
    }),
  )
})

test('what a covered scope allows, the scope that covers it allows, too', () => {
  let covered = 0
  fc.assert(
    fc.property(claims, claims, operations, (outer, inner, operation) => {
      if (!scopeCovers(parseScope(outer), parseScope(inner))) return
      covered++
      if (judge('root', inner, operation) === null) assert.equal(judge('root', outer, operation), null)
    }),
    { numRuns: 3000 },
  )
  assert.ok(covered > 100, String(covered))
})

test('a scope covers itself and its parts', () => {
  fc.assert(
    fc.property(claims, (claim) => {
      assert.ok(scopeCovers(parseScope(claim), parseScope(claim)))
      assert.ok(scopeCovers(parseScope(claim), parseScope(claim.slice(0, 1))))
    }),
  )
})
