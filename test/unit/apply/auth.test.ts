/** What is judged where it is applied: the same on every member, whatever was true when the request was accepted. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Applied } from '../../../src/apply/apply.ts'
import { type Caller, memberCaller } from '../../../src/auth/caller.ts'
import type { RuleChange } from '../../../src/auth/change.ts'
import { getSettings, getToken, getUser } from '../../../src/auth/records.ts'
import { getApplied, getRevision } from '../../../src/mvcc/meta.ts'
import { Command_Kind, LeaseCheckpoints, MemberRecord } from '../../../src/wire/gen/internal.ts'
import {
  CompactionRequest,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  PutRequest,
  type RequestOp,
  TxnRequest,
} from '../../../src/wire/gen/rpc.ts'
import {
  addUser,
  enable,
  encodeChange,
  grant,
  revoke,
  userCaller,
  userWith,
  withRoot,
} from '../../support/auth-tables.ts'
import {
  bytes,
  commandBy,
  commandData,
  memberRecord,
  putRequest,
  Store,
  self,
  txnRequest,
} from '../../support/commands.ts'

class GuardedStore extends Store {
  change(...changes: readonly RuleChange[]): void {
    for (const change of changes) {
      assert.ok(this.by(memberCaller, Command_Kind.AUTH, encodeChange(change)).outcome?.ok, change.$case)
    }
  }
  by(caller: Caller, kind: Command_Kind, request: Uint8Array): Applied {
    return this.entry({ type: 'normal', data: commandBy(caller, commandData(kind, request)) })
  }
  user(name: string, tokenRevision: number | null = null): Caller {
    return userCaller(this.view, name, tokenRevision)
  }
}

function withUsers(): GuardedStore {
  const store = new GuardedStore()
  store.change(...withRoot, ...userWith('ann', 'readwrite a', 'write b'), addUser('bob'), enable)
  return store
}
const reasonOf = ({ outcome }: Applied): string | null => (outcome === null || outcome.ok ? null : outcome.reason)
const put = (key: string, more: Partial<PutRequest> = {}): Uint8Array =>
  PutRequest.encode(putRequest({ key: bytes(key), ...more })).finish()

test('race 10: a right that was taken between acceptance and the log refuses, without a trace but the index', () => {
  const store = withUsers()
  const ann = store.user('ann')
  assert.equal(reasonOf(store.by(ann, Command_Kind.PUT, put('a'))), null)
  store.change(revoke('ann', 'a'))
  const before = getRevision(store.view)
  const refused = store.by(ann, Command_Kind.PUT, put('a'))
  assert.equal(reasonOf(refused), 'permissionDenied')
  assert.deepEqual(refused.events, [])
  assert.equal(getRevision(store.view), before)
  assert.equal(getApplied(store.view).index, store.index)
  store.change(grant('ann', 'readwrite', 'a'))
  assert.equal(reasonOf(store.by(ann, Command_Kind.PUT, put('a'))), null)
})

test('race 9: a user who was deleted and added again is not the one who asked', () => {
  const store = withUsers()
  const ann = store.user('ann', 9)
  store.change({ $case: 'delete_user', value: { name: 'ann' } }, ...userWith('ann', 'readwrite a').slice(0, 1))
  assert.ok(getUser(store.view, 'ann') !== null)
  assert.equal(reasonOf(store.by(ann, Command_Kind.PUT, put('a'))), 'invalidAuthToken')
})

test('race 11: whether a token has expired is judged where the request is accepted; applying an entry looks at no clock', () => {
  const store = withUsers()
  const { id, tokens_since } = getUser(store.view, 'ann')!
  const hash = Buffer.from('hash of a token')
  const times = { now_ms: 1000n, ttl_ms: 500n }
  const revision = Number(getSettings(store.view).revision)
  const issued = { $case: 'issue_token', value: { user_id: id, tokens_since, hash, ...times } } as const
  assert.ok(store.by(memberCaller, Command_Kind.AUTH, encodeChange(issued)).outcome?.ok)
  const ann = store.user('ann', revision)
  assert.equal(reasonOf(store.by(ann, Command_Kind.PUT, put('a'))), null)
  // Its row is swept on every member alike: by an entry that says what time it is.
  const late = { $case: 'renew_token', value: { hash: Buffer.from('other'), now_ms: 9000n, ttl_ms: 1n } } as const
  assert.ok(store.by(memberCaller, Command_Kind.AUTH, encodeChange(late)).outcome?.ok)
  assert.equal(getToken(store.view, hash), null)
  assert.equal(reasonOf(store.by(ann, Command_Kind.PUT, put('a'))), null)
})

test('nobody writes once auth is on, though it was off when the request was accepted', () => {
  const store = withUsers()
  assert.equal(reasonOf(store.put({ key: bytes('a') })), 'userEmpty')
  assert.equal(reasonOf(store.grant(7n, 10n)), 'userEmpty')
  assert.equal(reasonOf(store.compact(1n)), 'userEmpty')
})

test('a write that shows what was before needs the right to read it, alone and in a transaction at any depth', () => {
  const store = withUsers()
  const ann = store.user('ann')
  assert.equal(reasonOf(store.by(ann, Command_Kind.PUT, put('b'))), null)
  assert.equal(reasonOf(store.by(ann, Command_Kind.PUT, put('b', { prev_kv: true }))), 'permissionDenied')
  let op: RequestOp = { request: { $case: 'request_put', value: putRequest({ key: bytes('b'), prev_kv: true }) } }
  for (let depth = 1; depth <= 4; depth++) {
    const good: RequestOp = { request: { $case: 'request_put', value: putRequest({ key: bytes('a') }) } }
    for (const txn of [txnRequest({ success: [good, op] }), txnRequest({ success: [good], failure: [op] })]) {
      const applied = store.by(ann, Command_Kind.TXN, TxnRequest.encode(txn).finish())
      assert.equal(reasonOf(applied), 'permissionDenied', `depth ${depth}`)
      assert.deepEqual(applied.events, [])
    }
    op = { request: { $case: 'request_txn', value: txnRequest({ success: [op] }) } }
  }
})

test('what only a member or only root does, nobody else does; a lease that expires goes whatever its keys', () => {
  const store = withUsers()
  const publish = MemberRecord.encode(memberRecord({ id: self, name: 'm' })).finish()
  const checkpoint = LeaseCheckpoints.encode({ checkpoints: [] }).finish()
  const compact = CompactionRequest.encode({ revision: 1n, physical: false }).finish()
  const token = encodeChange({
    $case: 'issue_token',
    value: { user_id: 1n, tokens_since: 2n, hash: new Uint8Array(32), now_ms: 1n, ttl_ms: 1n },
  })
  assert.equal(reasonOf(store.by(store.user('root'), Command_Kind.LEASE_GRANT, new Uint8Array(0))), 'leaseNotFound')
  store.by(memberCaller, Command_Kind.PUT, put('other'))
  for (const who of ['ann', 'bob', 'root']) {
    const caller = store.user(who)
    const root = who === 'root' ? null : 'permissionDenied'
    assert.equal(reasonOf(store.by(caller, Command_Kind.PUBLISH_MEMBER, publish)), 'permissionDenied')
    assert.equal(reasonOf(store.by(caller, Command_Kind.LEASE_CHECKPOINT, checkpoint)), 'permissionDenied')
    assert.equal(reasonOf(store.by(caller, Command_Kind.AUTH, token)), 'permissionDenied')
    assert.equal(reasonOf(store.by(caller, Command_Kind.AUTH, encodeChange(addUser(`by ${who}`)))), root)
    assert.equal(reasonOf(store.by(caller, Command_Kind.COMPACT, compact)), root)
  }
  const lease = { ID: 5n, TTL: 10n }
  store.by(memberCaller, Command_Kind.LEASE_GRANT, LeaseGrantRequest.encode(lease).finish())
  store.by(memberCaller, Command_Kind.PUT, put('secret', { lease: 5n }))
  const end = LeaseRevokeRequest.encode({ ID: 5n }).finish()
  assert.equal(reasonOf(store.by(store.user('ann'), Command_Kind.PUT, put('a', { lease: 5n }))), 'permissionDenied')
  assert.equal(reasonOf(store.by(store.user('ann'), Command_Kind.LEASE_REVOKE, end)), 'permissionDenied')
  assert.equal(reasonOf(store.by(memberCaller, Command_Kind.LEASE_REVOKE, end)), null)
})
