import fc from 'fast-check'
import { anonymous, type Caller, memberCaller } from '../../src/auth/caller.ts'
import type { RuleChange } from '../../src/auth/change.ts'
import type { Entry } from '../../src/raft/types.ts'
import {
  type AuthChange,
  Command_Kind,
  ConfChange,
  ConfChange_Type,
  LeaseCheckpoints,
  MemberRecord,
} from '../../src/wire/gen/internal.ts'
import {
  CompactionRequest,
  DeleteRangeRequest,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  PutRequest,
  TxnRequest,
} from '../../src/wire/gen/rpc.ts'
import { deleteRequests, putRequests, txnRequests } from './arbitrary-requests.ts'
import {
  addRole,
  addUser,
  disable,
  enable,
  encodeChange,
  grant,
  grantRole,
  type Kind,
  markAt,
  permission,
  revoke,
  revokeRole,
  userWith,
  withRoot,
} from './auth-tables.ts'
import { commandBy, commandData, memberRecord, putRequest, self, txnRequest } from './commands.ts'

const leases = fc.constantFrom(11n, 12n, 13n)

/** A transaction that writes and then meets a put that cannot be, also one nested. */
const halfGoodTxns = fc.tuple(putRequests, fc.boolean()).map(([put, isNested]) => {
  const bad = { request: { $case: 'request_put', value: putRequest({ ...put, lease: 99n }) } } as const
  const good = { request: { $case: 'request_put', value: putRequest({ key: Buffer.from('good') }) } } as const
  const nested = { request: { $case: 'request_txn', value: txnRequest({ success: [bad] }) } } as const
  return txnRequest({ success: [good, isNested ? nested : bad] })
})

const small = fc.bigInt(0n, 6n)
const name = fc.constantFrom('root', 'ann', 'bob', '')
const few = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(arbitrary, { maxLength: 2 })
const holder = { name, roles: few(name) }
const policyRows = {
  expected_revision: small,
  put_roles: few(
    fc.record({ name, permissions: few(fc.constantFrom('a', 'b,z').map((keys) => permission('read', keys))) }),
  ),
  delete_roles: few(name),
  put_users: few(fc.record({ ...holder, no_password: fc.boolean() })),
  delete_users: few(name),
  put_groups: few(fc.record(holder)),
  delete_groups: few(name),
  now_ms: small,
}
const revokeUserTokens = (user: string, now_ms: bigint): RuleChange => ({
  $case: 'revoke_user_tokens',
  value: { user, now_ms },
})
const ruleChanges: fc.Arbitrary<RuleChange> = fc.oneof(
  { weight: 3, arbitrary: name.map((user) => addUser(user)) },
  { weight: 2, arbitrary: name.map((role) => addRole(role)) },
  { weight: 5, arbitrary: fc.tuple(name, name).map(([user, role]) => grantRole(user, role)) },
  { weight: 1, arbitrary: fc.tuple(name, name).map(([user, role]) => revokeRole(user, role)) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(name, fc.constantFrom<Kind>('read', 'write', 'readwrite'), fc.constantFrom('a', 'a,', 'a,c', 'b,z', 'z,a'))
      .map(([role, kind, keys]) => grant(role, kind, keys)),
  },
  { weight: 1, arbitrary: name.map((role) => revoke(role, 'a')) },
  { weight: 1, arbitrary: name.map((user): RuleChange => ({ $case: 'delete_user', value: { name: user } })) },
  { weight: 1, arbitrary: name.map((role): RuleChange => ({ $case: 'delete_role', value: { name: role } })) },
  { weight: 1, arbitrary: fc.tuple(name, small).map(([user, now]) => revokeUserTokens(user, now)) },
  { weight: 4, arbitrary: fc.record(policyRows).map((value): RuleChange => ({ $case: 'apply_policy', value })) },
  { weight: 3, arbitrary: fc.constant(enable) },
  { weight: 1, arbitrary: fc.constant(disable) },
)
const tokenChanges: fc.Arbitrary<NonNullable<AuthChange['change']>> = fc
  .record({ user_id: small, tokens_since: small, hash: fc.constantFrom(1, 2, 3), now_ms: small, ttl_ms: small })
  .chain(({ hash, ...rest }) => {
    const value = { ...rest, hash: new Uint8Array(32).fill(hash) }
    const revoked = { id: value.hash, expires_ms: rest.ttl_ms, now_ms: rest.now_ms }
    return fc.constantFrom(
      { $case: 'issue_token', value } as const,
      { $case: 'renew_token', value } as const,
      { $case: 'revoke_token', value: revoked } as const,
    )
  })
const callers: fc.Arbitrary<Caller> = fc.oneof(
  fc.constantFrom(anonymous, memberCaller),
  fc
    .tuple(fc.integer({ min: 1, max: 4 }), fc.option(fc.nat(9), { nil: null }))
    .map(([id, revision]): Caller => ({ kind: 'user', id, token: markAt(revision), scope: null })),
  fc.tuple(few(name), fc.constantFrom(1, 2, 3)).map(([groups, byte]): Caller => {
    const token = { revision: null, issuedMs: byte, ids: [new Uint8Array(32).fill(byte)] }
    return { kind: 'groups', name: '', groups, token, scope: null }
  }),
)

const unsigned: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 8, arbitrary: putRequests.map((put) => commandData(Command_Kind.PUT, PutRequest.encode(put).finish())) },
  {
    weight: 4,
    arbitrary: deleteRequests.map((request) =>
      commandData(Command_Kind.DELETE_RANGE, DeleteRangeRequest.encode(request).finish()),
    ),
  },
  {
    weight: 8,
    arbitrary: fc
      .oneof({ weight: 6, arbitrary: txnRequests }, { weight: 1, arbitrary: halfGoodTxns })
      .map((txn) => commandData(Command_Kind.TXN, TxnRequest.encode(txn).finish())),
  },
  {
    weight: 5,
    arbitrary: fc
      .oneof({ weight: 6, arbitrary: ruleChanges }, { weight: 1, arbitrary: tokenChanges })
      .map((change) => commandData(Command_Kind.AUTH, encodeChange(change))),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({ revision: fc.bigInt(-1n, 30n), physical: fc.boolean() })
      .map((request) => commandData(Command_Kind.COMPACT, CompactionRequest.encode(request).finish())),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ ID: leases, TTL: fc.bigInt(0n, 100n) })
      .map((request) => commandData(Command_Kind.LEASE_GRANT, LeaseGrantRequest.encode(request).finish())),
  },
  {
    weight: 1,
    arbitrary: leases.map((ID) => commandData(Command_Kind.LEASE_REVOKE, LeaseRevokeRequest.encode({ ID }).finish())),
  },
  {
    weight: 1,
    arbitrary: fc
      .array(fc.record({ id: leases, remaining_seconds: fc.bigInt(-1n, 60n) }), { maxLength: 3 })
      .map((checkpoints) =>
        commandData(Command_Kind.LEASE_CHECKPOINT, LeaseCheckpoints.encode({ checkpoints }).finish()),
      ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(self, 8n, 9n).map((id) => {
      const record = memberRecord({ id, name: 'm', client_urls: ['http://127.0.0.1:2'] })
      return commandData(Command_Kind.PUBLISH_MEMBER, MemberRecord.encode(record).finish())
    }),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.nat(10), fc.uint8Array({ maxLength: 20 }))
      .map(([kind, request]) => commandData(kind as Command_Kind, request)),
  },
)

/** By this one and that one: whether they may is part of what must come out the same. */
const commands: fc.Arbitrary<Uint8Array> = fc.tuple(unsigned, callers).map(([data, caller]) => commandBy(caller, data))

const confChanges: fc.Arbitrary<Uint8Array> = fc
  .record({ type: fc.constantFrom(...Object.values(ConfChange_Type)), id: fc.constantFrom(8n, 9n) })
  .map(({ type, id }) => {
    const member = memberRecord({ id, name: 'm', peer_urls: [`http://127.0.0.1:${id}`], is_learner: true })
    return ConfChange.encode({ proposal_id: 1n, proposer_id: self, type, member_id: id, member }).finish()
  })

/** Half of the logs begin with users who may write some of the keys, and with auth on. */
const beginnings = fc.constantFrom<readonly RuleChange[]>(
  [],
  [...withRoot, ...userWith('ann', 'readwrite a,', 'write b'), addUser('bob'), grantRole('bob', 'ann'), enable],
)
const begun = (changes: readonly RuleChange[]) =>
  changes.map((change) => ({
    type: 'normal' as const,
    data: commandBy(memberCaller, commandData(Command_Kind.AUTH, encodeChange(change))),
  }))

/** Committed entries of every kind, from index 1 on: writes that are accepted, refused, unreadable, and no-ops. */
export const logs: fc.Arbitrary<readonly Entry[]> = fc
  .tuple(
    beginnings.map(begun),
    fc.array(
      fc.oneof(
        { weight: 20, arbitrary: commands.map((data) => ({ type: 'normal' as const, data })) },
        { weight: 1, arbitrary: confChanges.map((data) => ({ type: 'confChange' as const, data })) },
        { weight: 1, arbitrary: fc.constant({ type: 'normal' as const, data: new Uint8Array(0) }) },
      ),
      { minLength: 1, maxLength: 60, size: 'max' },
    ),
  )
  .map(([first, rest]) =>
    [...first, ...rest].map((entry, i): Entry => ({ ...entry, term: 1 + Math.floor(i / 20), index: i + 1 })),
  )
