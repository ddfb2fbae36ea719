import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { authorize } from '../../../src/auth/authorize.ts'
import { anonymous, type Caller, memberCaller, stranger } from '../../../src/auth/caller.ts'
import {
  deleteOperation,
  identity,
  memberOnly,
  type Operation,
  open,
  putOperation,
  rangeOperation,
  reading,
  readingLease,
  root,
  txnOperation,
  writingLease,
} from '../../../src/auth/operation.ts'
import { getUser } from '../../../src/auth/records.ts'
import { leaseId } from '../../../src/base/ids.ts'
import { type KeyRange, rangeContains, rangeFromWire } from '../../../src/base/key-range.ts'
import { attach } from '../../../src/mvcc/lease-attachment.ts'
import type { RequestOp, TxnRequest } from '../../../src/wire/gen/rpc.ts'
import { deleteRequests, putRequests, rangeRequests, txnRequests } from '../../support/arbitrary-requests.ts'
import {
  addUser,
  changeAll,
  disable,
  enable,
  grant,
  type Kind,
  markAt,
  revokeRole,
  rulesWith,
  userCaller,
  userWith,
} from '../../support/auth-tables.ts'
import { bytes, putRequest, txnRequest } from '../../support/commands.ts'
import { NaiveView } from '../../support/naive-view.ts'

const { view, rules } = rulesWith(
  ...userWith('alice', 'readwrite a', 'read p/,p0', 'write w,x'),
  addUser('bob'),
  ...userWith('gone', 'read a'),
  { $case: 'delete_user', value: { name: 'gone' } },
)
const callers: Record<string, Caller> = {
  anonymous,
  stranger,
  member: memberCaller,
  root: userCaller(view, 'root'),
  alice: userCaller(view, 'alice'),
  bob: userCaller(view, 'bob'),
  // Ids are given in order: root, alice, bob, gone.
  gone: { kind: 'user', id: 4, token: markAt(99), scope: null },
  never: { kind: 'user', id: 77, token: null, scope: null },
}

const key = (text: string): KeyRange => rangeFromWire(bytes(text), new Uint8Array(0))
const write = (text: string): Operation => ({ kind: 'keys', needs: [{ kind: 'write', range: key(text) }] })
const operations: Record<string, Operation> = {
  open,
  identity,
  root,
  memberOnly,
  'read a': reading(key('a')),
  'write a': write('a'),
  'write p/x': write('p/x'),
  'user alice': { kind: 'user', name: 'alice' },
  'role alice': { kind: 'role', name: 'alice' },
  'role root': { kind: 'role', name: 'root' },
}

const denied = 'permissionDenied'
const empty = 'userEmpty'
const token = 'invalidAuthToken'
const everything = Object.fromEntries(Object.keys(operations).map((name) => [name, null]))
const nothing = (reason: string) => ({
  ...Object.fromEntries(Object.keys(operations).map((name) => [name, reason])),
  open: null,
})
const table: Record<string, Record<string, string | null>> = {
  anonymous: nothing(empty),
  stranger: nothing(denied),
  gone: nothing(token),
  never: nothing(denied),
  member: everything,
  root: { ...everything, memberOnly: denied },
  alice: { ...everything, root: denied, memberOnly: denied, 'write p/x': denied, 'role root': denied },
  bob: { ...nothing(denied), identity: null },
}

for (const [who, verdicts] of Object.entries(table)) {
  for (const [what, want] of Object.entries(verdicts)) {
    test(`${who}, ${what}: ${want ?? 'allowed'}`, () =>
      assert.equal(authorize(rules, view, callers[who]!, operations[what]!)?.reason ?? null, want))
  }
}

test('with auth off everybody may everything', () => {
  const off = rulesWith(disable)
  changeAll(off.view, [disable])
  off.rules.at(off.view)
  for (const operation of Object.values(operations))
    assert.equal(authorize(off.rules, off.view, anonymous, operation), null)
})

test('a token is void after the password was changed, auth was switched off and on, or the user came anew', () => {
  const it = rulesWith(...userWith('alice', 'read a'))
  const judge = (caller: Caller): string | null =>
    authorize(it.rules.at(it.view), it.view, caller, reading(key('a')))?.reason ?? null
  const issued = (): Caller => userCaller(it.view, 'alice', Number(it.rules.at(it.view).revision))
  const change = (password_hash: string): void =>
    changeAll(it.view, [{ $case: 'change_password', value: { name: 'alice', password_hash, now_ms: 1n } }])

  const first = issued()
  assert.equal(judge(first), null)
  changeAll(it.view, [addUser('bob'), grant('alice', 'read', 'q')])
  assert.equal(judge(first), null, 'what others are given changes nothing')
  change('other')
  assert.equal(judge(first), token)
  const second = issued()
  assert.equal(judge(second), null)
  changeAll(it.view, [disable, enable])
  assert.equal(judge(second), token)
  const third = issued()
  changeAll(it.view, [{ $case: 'delete_user', value: { name: 'alice' } }, addUser('alice')])
  assert.equal(judge(third), token)
  assert.equal(judge(issued()), denied, 'the new one has no rights yet')
})

test('rights go when a role is revoked, deleted or loses a permission, and come back with it', () => {
  const alice = userWith('alice', 'read a')
  const it = rulesWith(...alice)
  const caller = userCaller(it.view, 'alice')
  const may = (): boolean => authorize(it.rules.at(it.view), it.view, caller, reading(key('a'))) === null
  assert.ok(may())
  changeAll(it.view, [revokeRole('alice', 'alice')])
  assert.ok(!may())
  changeAll(it.view, alice.slice(-1))
  assert.ok(may())
  changeAll(it.view, [
    {
      $case: 'revoke_permission',
      value: { role: 'alice', permission: { permType: 0, key: bytes('a'), range_end: bytes('') } },
    },
  ])
  assert.ok(!may())
  changeAll(it.view, [grant('alice', 'read', 'a')])
  assert.ok(may())
  changeAll(it.view, [{ $case: 'delete_role', value: { name: 'alice' } }])
  assert.ok(!may())
  assert.deepEqual(getUser(it.view, 'alice')?.roles, [])
})

// --- a slow and obvious twin, over all requests ---

type Grants = readonly { readonly kind: Kind; readonly range: KeyRange }[]
const someKeys = fc.uint8Array({ minLength: 1, maxLength: 2, max: 4 })
const grants: fc.Arbitrary<Grants> = fc.array(
  fc.record({
    kind: fc.constantFrom<Kind>('read', 'write', 'readwrite'),
    range: fc
      .tuple(someKeys, fc.oneof(someKeys, fc.constantFrom(new Uint8Array(0), Uint8Array.of(0))))
      .map(([start, end]) => rangeFromWire(start, end)),
  }),
  { maxLength: 6 },
)

function rulesOf(all: Grants) {
  const it = rulesWith(...userWith('alice'))
  for (const { kind, range } of all) {
    const permType = { read: 0, write: 1, readwrite: 2 }[kind] as 0 | 1 | 2
    const range_end = range.isPoint ? new Uint8Array(0) : (range.end ?? Uint8Array.of(0))
    try {
      changeAll(it.view, [
        { $case: 'grant_permission', value: { role: 'alice', permission: { permType, key: range.start, range_end } } },
      ])
    } catch {
      // An inverted range: nobody gets anything by it.
    }
  }
  it.rules.at(it.view)
  return it
}

/** Whether one operation alone is allowed. */
function leafAllowed(it: ReturnType<typeof rulesOf>, op: RequestOp): boolean {
  const alice = userCaller(it.view, 'alice')
  const allowed = (operation: Operation): boolean => authorize(it.rules, it.view, alice, operation) === null
  switch (op.request?.$case) {
    case 'request_range':
      return allowed(rangeOperation(op.request.value))
    case 'request_put':
      return allowed(putOperation(op.request.value))
    case 'request_delete_range':
      return allowed(deleteOperation(op.request.value))
    case 'request_txn':
      return txnAllowed(it, op.request.value)
    default:
      return true
  }
}

function txnAllowed(it: ReturnType<typeof rulesOf>, { compare, success, failure }: TxnRequest): boolean {
  const alice = userCaller(it.view, 'alice')
  const compared = compare.every(
    (one) => authorize(it.rules, it.view, alice, reading(rangeFromWire(one.key, one.range_end))) === null,
  )
  return compared && [...success, ...failure].every((op) => leafAllowed(it, op))
}

test('a transaction is allowed exactly if each of its leaves would be', () => {
  let allowed = 0
  fc.assert(
    fc.property(grants, txnRequests, fc.boolean(), (all, txn, wide) => {
      const everywhere = { kind: 'readwrite', range: rangeFromWire(Uint8Array.of(0), Uint8Array.of(0)) } as const
      const it = rulesOf(wide ? [...all, everywhere] : all)
      const want = txnAllowed(it, txn)
      if (want) allowed++
      assert.equal(authorize(it.rules, it.view, userCaller(it.view, 'alice'), txnOperation(txn)) === null, want)
    }),
    { numRuns: 500 },
  )
  assert.ok(allowed > 50)
})

test('a put, a range and a delete need what their keys and flags say, and no more', () => {
  const keysOf = (range: KeyRange): Uint8Array[] => candidates.filter((one) => rangeContains(range, one))
  const candidates: Uint8Array[] = []
  for (let a = 0; a < 256; a++) {
    candidates.push(Uint8Array.of(a))
    for (const b of [0, 1, 2, 3, 4, 5, 255]) candidates.push(Uint8Array.of(a, b))
  }
  // A permission on the very same range takes the place of the one before.
  const inForce = (all: Grants): Grants =>
    all.filter(({ range }, at) => !all.slice(at + 1).some((later) => isDeepStrictEqual(later.range, range)))
  const has = (all: Grants, kind: 'read' | 'write', range: KeyRange): boolean =>
    keysOf(range).every((one) =>
      inForce(all).some((each) => (each.kind === kind || each.kind === 'readwrite') && rangeContains(each.range, one)),
    )
  fc.assert(
    fc.property(grants, someKeys, putRequests, rangeRequests, deleteRequests, (all, at, put, range, deletion) => {
      const it = rulesOf(all)
      const alice = userCaller(it.view, 'alice')
      const allowed = (operation: Operation): boolean => authorize(it.rules, it.view, alice, operation) === null
      const point = rangeFromWire(at, new Uint8Array(0))
      const mayRead = has(all, 'read', point)
      const mayWrite = has(all, 'write', point)
      assert.equal(allowed(putOperation({ ...put, key: at, lease: 0n })), mayWrite && (!put.prev_kv || mayRead))
      assert.equal(allowed(rangeOperation({ ...range, key: at, range_end: new Uint8Array(0) })), mayRead)
      assert.equal(
        allowed(deleteOperation({ ...deletion, key: at, range_end: new Uint8Array(0) })),
        mayWrite && (!deletion.prev_kv || mayRead),
      )
    }),
    { numRuns: 500 },
  )
})

// --- leases ---

test('a lease is its keys: whoever attaches, ends or keeps one must be allowed to write all of them', () => {
  const names = fc.uint8Array({ minLength: 1, maxLength: 2, max: 5 })
  const long = fc.constantFrom(2, 3).map((byte) => new Uint8Array(2500).fill(byte))
  fc.assert(
    fc.property(grants, fc.array(fc.oneof(names, long), { maxLength: 6 }), (all, attached) => {
      const it = rulesOf(all)
      const lease = leaseId(5n)
      for (const one of attached) attach(it.view, lease, one)
      attach(it.view, leaseId(6n), bytes('of another lease'))
      const alice = userCaller(it.view, 'alice')
      const allowed = (operation: Operation): boolean => authorize(it.rules, it.view, alice, operation) === null
      const each = (kind: 'read' | 'write'): boolean =>
        attached.every((one) => {
          const range = rangeFromWire(one, new Uint8Array(0))
          return allowed({ kind: 'keys', needs: [{ kind, range }] })
        })
      assert.equal(allowed(writingLease(lease)), each('write'))
      assert.equal(allowed(readingLease(lease)), each('read'))
    }),
    { numRuns: 1000 },
  )
})

test('a put on a lease needs its keys, alone and in a transaction at any depth', () => {
  const it = rulesWith(...userWith('alice', 'readwrite a'))
  attach(it.view, leaseId(5n), bytes('b'))
  const alice = userCaller(it.view, 'alice')
  const put = putRequest({ key: bytes('a'), lease: 5n })
  let op: RequestOp = { request: { $case: 'request_put', value: put } }
  assert.equal(authorize(it.rules, it.view, alice, putOperation(put))?.rule, 'writeLease')
  for (let depth = 1; depth <= 4; depth++) {
    for (const branch of ['success', 'failure'] as const) {
      const txn = txnRequest({ [branch]: [op] })
      assert.equal(authorize(it.rules, it.view, alice, txnOperation(txn))?.rule, 'writeLease')
    }
    op = { request: { $case: 'request_txn', value: txnRequest({ failure: [op] }) } }
  }
})

test('rules are read anew from another state', () => {
  const it = rulesWith(...userWith('alice', 'read a'))
  assert.ok(it.rules.enabled)
  assert.ok(!it.rules.at(new NaiveView()).enabled)
})
