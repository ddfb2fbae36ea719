/** A transaction needs what its leaves need alone: where it is accepted, under a scope too, and where it is applied. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Caller } from '../../../src/auth/caller.ts'
import type { RuleChange } from '../../../src/auth/change.ts'
import { type ScopeEntry, type ScopeVerb, scopeOf } from '../../../src/auth/scope.ts'
import { isEmptyRange, rangeFromWire } from '../../../src/base/key-range.ts'
import type { Compare, PutRequest, RequestOp, TxnRequest } from '../../../src/wire/gen/rpc.ts'
import { LeaseGrantRequest, PutRequest as Put } from '../../../src/wire/gen/rpc.ts'
import { type Answered, asCaller, atAdmission, inTheLog } from '../../support/access-asker.ts'
import { key, txnRequests } from '../../support/arbitrary-requests.ts'
import { AuthMember } from '../../support/auth-member.ts'
import {
  addRole,
  addUser,
  enable,
  grantRole,
  memberCaller,
  userCaller,
  userWith,
  withRoot,
} from '../../support/auth-tables.ts'
import { bytes, deleteRequest, putRequest, rangeRequest, txnRequest } from '../../support/commands.ts'

const ownLease = 11n
const foreignLease = 12n
/** Nothing but a transaction can look at a key this way. */
const compared = (target: Compare, range_end = bytes('')): RequestOp => ({
  request: { $case: 'request_txn', value: txnRequest({ compare: [{ ...target, key: bytes('k'), range_end }] }) },
})
const compareOf = (fields: Pick<Compare, 'target' | 'target_union'>): Compare => ({
  ...{ result: 0, key: bytes(''), range_end: bytes('') },
  ...fields,
})
const get = (fields: Parameters<typeof rangeRequest>[0] = {}): RequestOp => ({
  request: { $case: 'request_range', value: rangeRequest({ key: bytes('k'), ...fields }) },
})
const put = (fields: Partial<PutRequest> = {}): RequestOp => ({
  request: { $case: 'request_put', value: putRequest({ key: bytes('k'), ...fields }) },
})
const del = (fields: Parameters<typeof deleteRequest>[0] = {}): RequestOp => ({
  request: { $case: 'request_delete_range', value: deleteRequest({ key: bytes('k'), ...fields }) },
})

const readers = ['reader', 'both', 'root']
const writers = ['writer', 'both', 'root']
const bothOnly = ['both', 'root']
const everyone = ['none', 'reader', 'writer', 'both', 'root']

/** `k`, and a lease whose key is `k`, are what the users have rights to; nobody has any to the key of the other lease. */
const leaves: Readonly<Record<string, readonly [op: RequestOp, may: readonly string[]]>> = {
  get: [get(), readers],
  'get as a range': [get({ range_end: bytes('k\0') }), readers],
  'get one key more': [get({ range_end: bytes('k\0\0') }), ['root']],
  'get from there on': [get({ range_end: bytes('\0') }), ['root']],
  'get keys only': [get({ keys_only: true }), readers],
  'get a count': [get({ count_only: true }), readers],
  'get at most one': [get({ range_end: bytes('l'), limit: 1n }), ['root']],
  'get nothing': [get({ key: bytes('x'), range_end: bytes('k') }), ['root']],
  put: [put(), writers],
  'put elsewhere': [put({ key: bytes('k\0') }), ['root']],
  'put and the value before': [put({ prev_kv: true }), bothOnly],
  'put, keeping the value': [put({ ignore_value: true }), writers],
  'put, keeping the value, and the value before': [put({ ignore_value: true, prev_kv: true }), bothOnly],
  'put, keeping the lease': [put({ ignore_lease: true }), writers],
  'put with its own lease': [put({ lease: ownLease }), writers],
  'put with a lease of other keys': [put({ lease: foreignLease }), ['root']],
  delete: [del(), writers],
  'delete and the value before': [del({ prev_kv: true }), bothOnly],
  'delete from there on': [del({ range_end: bytes('\0') }), ['root']],
  'compare a value': [compared(compareOf({ target: 3, target_union: { $case: 'value', value: bytes('v') } })), readers],
  'compare a version': [compared(compareOf({ target: 0, target_union: { $case: 'version', value: 1n } })), readers],
  'compare a creation': [
    compared(compareOf({ target: 1, target_union: { $case: 'create_revision', value: 1n } })),
    readers,
  ],
  'compare a change': [compared(compareOf({ target: 2, target_union: { $case: 'mod_revision', value: 1n } })), readers],
  'compare a lease': [compared(compareOf({ target: 4, target_union: { $case: 'lease', value: 1n } })), readers],
  'compare keys from there on': [
    compared(compareOf({ target: 0, target_union: { $case: 'version', value: 1n } }), bytes('\0')),
    ['root'],
  ],
  'an operation of nothing': [{ request: undefined }, everyone],
}

const users: readonly RuleChange[] = [
  addUser('none'),
  ...userWith('reader', 'read k'),
  ...userWith('writer', 'write k'),
  ...userWith('both', 'readwrite k'),
]

async function memberWith(...changes: readonly RuleChange[]): Promise<AuthMember> {
  const member = new AuthMember()
  await member.change(...withRoot, ...changes)
  for (const ID of [ownLease, foreignLease])
    await member.propose('leaseGrant', LeaseGrantRequest.encode({ ID, TTL: 1000n }).finish(), memberCaller)
  await restore(member)
  await member.change(enable)
  return member
}

const onlyK = rangeFromWire(bytes('k'), bytes(''))
/** Verbs of a token of root's that may as much as the user of that name. */
const scopeVerbs: Readonly<Record<string, readonly ScopeVerb[]>> = {
  reader: ['read'],
  writer: ['write'],
  both: ['read', 'write'],
}

/** Root, with a token that is for what the user may. */
function underScope(member: AuthMember, user: string, op: RequestOp): Promise<Answered> {
  const verbs = scopeVerbs[user]
  const entry: ScopeEntry = verbs === undefined ? { verbs: ['monitor'], range: null } : { verbs, range: onlyK }
  const scope = user === 'root' ? null : scopeOf([entry])
  return asCaller(member, { ...(userCaller(member.view, 'root') as Caller & { kind: 'user' }), scope }, op)
}

/** As it was before any of the leaves. */
async function restore(member: AuthMember): Promise<void> {
  for (const request of [
    { key: bytes('k'), value: bytes('v'), lease: ownLease },
    { key: bytes('secret'), lease: foreignLease },
  ])
    await member.propose('put', Put.encode(putRequest(request)).finish(), memberCaller)
}

/** The operation in a transaction in a transaction, on any way down to it. */
function* nestings(op: RequestOp, depth: number): Iterable<RequestOp> {
  if (depth === 0) yield op
  else {
    for (const inner of nestings(op, depth - 1)) {
      for (const branch of ['success', 'failure'] as const)
        yield { request: { $case: 'request_txn', value: txnRequest({ [branch]: [inner] }) } }
    }
  }
}

for (const [name, [op, may]] of Object.entries(leaves)) {
  test(`${name}: alone and one to four transactions deep, on either branch`, async () => {
    const member = await memberWith(...users)
    const surprises: string[] = []
    for (const user of everyone) {
      const want = may.includes(user) ? 'allowed' : 'permissionDenied'
      for (let depth = 0; depth <= 4; depth++) {
        for (const nested of nestings(op, depth)) {
          for (const [where, ask] of Object.entries({ atAdmission, inTheLog, underScope })) {
            const { length } = member.proposed
            const reason = await ask(member, user, nested)
            if ((reason === 'permissionDenied' ? reason : 'allowed') !== want)
              surprises.push(`${user}, ${depth} deep, ${where}: ${reason}, should be ${want}`)
            const reached = member.proposed.length - length
            if (where !== 'inTheLog' && want !== 'allowed') assert.equal(reached, 0, 'what is refused is not proposed')
            await restore(member)
          }
        }
      }
    }
    assert.deepEqual(surprises, [])
  })
}

// --- over all requests ---

const rangeEnds = fc.oneof(fc.constantFrom(bytes(''), bytes('\0')), key)
const grants: fc.Arbitrary<readonly RuleChange[]> = fc.array(
  fc
    .record({ key, range_end: rangeEnds, permType: fc.constantFrom(0 as const, 1 as const, 2 as const) })
    .filter((permission) => !isEmptyRange(rangeFromWire(permission.key, permission.range_end)))
    .map((permission): RuleChange => ({ $case: 'grant_permission', value: { role: 'ann', permission } })),
  { maxLength: 5 },
)
const everything: RuleChange = {
  $case: 'grant_permission',
  value: { role: 'ann', permission: { permType: 2, key: bytes('\0'), range_end: bytes('\0') } },
}

/** All there is in a transaction that could be asked for by itself. */
function leavesOf({ compare, success, failure }: TxnRequest): RequestOp[] {
  return [
    ...compare.map((one): RequestOp => ({ request: { $case: 'request_txn', value: txnRequest({ compare: [one] }) } })),
    ...[...success, ...failure].flatMap((op) =>
      op.request?.$case === 'request_txn' ? leavesOf(op.request.value) : [op],
    ),
  ]
}

for (const [where, ask] of Object.entries({ atAdmission, inTheLog }))
  test(`any transaction is refused exactly if one of its leaves is: ${where}`, async () => {
    const seen = { allowed: 0, refused: 0 }
    await fc.assert(
      fc.asyncProperty(grants, fc.boolean(), txnRequests, async (some, wide, txn) => {
        const changes = [
          addUser('ann'),
          addRole('ann'),
          ...some,
          ...(wide ? [everything] : []),
          grantRole('ann', 'ann'),
        ]
        const anew = (): Promise<AuthMember> => memberWith(...changes)
        const refusals: boolean[] = []
        for (const leaf of leavesOf(txn)) refusals.push((await ask(await anew(), 'ann', leaf)) === 'permissionDenied')
        const reason = await ask(await anew(), 'ann', { request: { $case: 'request_txn', value: txn } })
        const isRefused = refusals.includes(true)
        // What is wrong with the request itself is found before.
        const isMalformed = reason !== null && reason !== 'permissionDenied' && isRefused
        if (!isMalformed) assert.equal(reason === 'permissionDenied', isRefused)
        seen[isRefused ? 'refused' : 'allowed']++
      }),
      { numRuns: 150 },
    )
    // Of 150 some 26 are allowed: ten or fewer are, in one of several thousand runs.
    assert.ok(seen.allowed > 3 && seen.refused > 3, JSON.stringify(seen))
  })
