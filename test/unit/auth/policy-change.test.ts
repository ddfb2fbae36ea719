import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authorize } from '../../../src/auth/authorize.ts'
import type { Caller, TokenMark } from '../../../src/auth/caller.ts'
import { changeRules } from '../../../src/auth/change.ts'
import { known, type Operation, operating, reading, root } from '../../../src/auth/operation.ts'
import { getRole, getSettings, getUser, listGroups, listRoles, listUsers } from '../../../src/auth/records.ts'
import { revokeToken } from '../../../src/auth/token.ts'
import { pointRange } from '../../../src/base/key-range.ts'
import { limits } from '../../../src/base/limits.ts'
import type { AuthChange_ApplyPolicy } from '../../../src/wire/gen/internal.ts'
import {
  addRole,
  addUser,
  changeAll,
  disable,
  enable,
  grant,
  grantRole,
  permission,
  rulesWith,
  userCaller,
  userWith,
} from '../../support/auth-tables.ts'
import { bytes } from '../../support/commands.ts'
import type { NaiveView } from '../../support/naive-view.ts'

const nothing: AuthChange_ApplyPolicy = {
  ...{ expected_revision: 0n, now_ms: 5n, put_roles: [], delete_roles: [] },
  ...{ put_users: [], delete_users: [], put_groups: [], delete_groups: [] },
}

/** As of the newest revision, if not said otherwise. */
function apply(view: NaiveView, policy: Partial<AuthChange_ApplyPolicy>): void {
  const expected_revision = getSettings(view).revision
  changeRules(view, { $case: 'apply_policy', value: { ...nothing, expected_revision, ...policy } })
}

const dump = (view: NaiveView): object => ({
  settings: getSettings(view),
  users: listUsers(view),
  roles: listRoles(view),
  groups: listGroups(view),
})
const user = (name: string, roles: string[], no_password = false) => ({ name, roles, no_password })
const readA = reading(pointRange(bytes('a')))

test('a policy is one change: roles, users and groups together, passwords kept', () => {
  const { view, rules } = rulesWith(...userWith('alice', 'read a'), ...userWith('old', 'read z'))
  const before = getSettings(view)
  apply(view, {
    put_roles: [{ name: 'app', permissions: [permission('read', 'b'), permission('read', 'a')] }],
    put_users: [user('alice', ['app']), user('cert', ['app', 'leasehold:operator', 'app'], true)],
    put_groups: [{ name: 'oidc:team', roles: ['app'] }],
    delete_users: ['old'],
    delete_roles: ['old', 'alice'],
  })
  const after = getSettings(view)
  assert.equal(after.revision, before.revision + 1n)
  assert.equal(after.version, before.version + 1n)
  assert.equal(getUser(view, 'old'), null)
  assert.equal(getUser(view, 'alice')!.password_hash, 'hash')
  assert.deepEqual(getUser(view, 'cert')!.roles, ['app', 'leasehold:operator'])
  assert.equal(getUser(view, 'cert')!.id, after.last_user_id)
  assert.deepEqual(
    getRole(view, 'app')!.permissions.map(({ key }) => Buffer.from(key).toString()),
    ['a', 'b'],
  )
  rules.at(view)
  assert.equal(authorize(rules, view, userCaller(view, 'cert'), operating), null)
  assert.equal(authorize(rules, view, userCaller(view, 'alice'), operating)?.rule, 'capability')
})

for (const [name, policy, reason] of [
  ['another revision', { expected_revision: 1n }, 'authOldRevision'],
  ['a role that is not there', { put_users: [user('x', ['nosuch'])] }, 'roleNotFound'],
  ['a group with a role that is not there', { put_groups: [{ name: 'g', roles: ['nosuch'] }] }, 'roleNotFound'],
  ['a role that somebody still has goes', { delete_roles: ['alice'] }, 'roleNotFound'],
  ['a reserved name', { put_roles: [{ name: 'leasehold:x', permissions: [] }] }, 'invalidAuthManagement'],
  ['a user twice', { put_users: [user('x', []), user('x', [])] }, 'invalidAuthManagement'],
  ['a user put and deleted', { put_users: [user('alice', [])], delete_users: ['alice'] }, 'invalidAuthManagement'],
  ['an empty name', { put_users: [user('', [])] }, 'userEmpty'],
  ['a long name', { put_roles: [{ name: 'x'.repeat(1025), permissions: [] }] }, 'invalidAuthManagement'],
  [
    'an inverted range',
    { put_roles: [{ name: 'r', permissions: [permission('read', 'b,a')] }] },
    'invalidAuthManagement',
  ],
  ['a user that is not there', { delete_users: ['nosuch'] }, 'userNotFound'],
  ['a role that is not there goes', { delete_roles: ['nosuch'] }, 'roleNotFound'],
  ['a group that is not there goes', { delete_groups: ['nosuch'] }, 'invalidAuthManagement'],
  ['the last administrator goes', { delete_users: ['root'] }, 'invalidAuthManagement'],
  ['the last administrator loses the role', { put_users: [user('root', [])] }, 'invalidAuthManagement'],
  [
    'two permissions of one range',
    { put_roles: [{ name: 'r', permissions: [permission('read', 'a'), permission('write', 'a')] }] },
    'invalidAuthManagement',
  ],
] as const) {
  test(`a policy is refused as a whole: ${name}`, () => {
    const { view } = rulesWith(...userWith('alice', 'read a'))
    const before = dump(view)
    const good = { put_users: [user('good', [])] }
    const policies = policy as Partial<AuthChange_ApplyPolicy>
    const put_users = [...good.put_users, ...(policies.put_users ?? [])]
    assert.throws(() => apply(view, { ...policies, put_users }), { reason })
    assert.deepEqual(dump(view), before)
  })
}

test('root without a password is no administrator unless a certificate is enough for it', () => {
  const { view } = rulesWith()
  assert.throws(() => apply(view, { put_users: [user('x', []), user('root', [])] }), {
    reason: 'invalidAuthManagement',
  })
  apply(view, { put_users: [user('root', ['root'], true)] })
  assert.equal(getUser(view, 'root')!.password_hash, '')
  // Another way of logging in: nothing that it had shows for it any more, and now nobody could log in.
  assert.throws(() => apply(view, { put_users: [user('root', ['root'])] }), { reason: 'invalidAuthManagement' })
  changeRules(view, disable)
  apply(view, { put_users: [user('root', ['root'])] })
})

test('auth is not switched on while nobody with the role root has anything to log in with', () => {
  const { view } = rulesWith()
  changeRules(view, disable)
  apply(view, { put_users: [user('root', ['root'], true)] })
  apply(view, { put_users: [user('root', ['root'])] })
  assert.throws(() => changeRules(view, enable), { reason: 'invalidAuthManagement' })
  assert.equal(getSettings(view).enabled, false)
  apply(view, { put_users: [user('admin', ['root'], true)] })
  assert.equal(changeRules(view, enable), true)
  // Nor does the only one go who has.
  const taken = { $case: 'revoke_role', value: { user: 'admin', role: 'root' } } as const
  const deleted = { $case: 'delete_user', value: { name: 'admin' } } as const
  for (const change of [taken, deleted]) {
    assert.throws(() => changeRules(view, change), { reason: 'invalidAuthManagement' })
  }
  changeRules(view, { $case: 'change_password', value: { name: 'root', password_hash: 'hash', now_ms: 1n } })
  for (const change of [taken, deleted]) assert.equal(changeRules(view, change), true)
})

const mark = (change: Partial<TokenMark> = {}): TokenMark => ({ revision: null, issuedMs: 10, ids: [], ...change })
const member = (groups: readonly string[], token = mark()): Caller => ({
  ...{ kind: 'groups', name: 'outside', groups, token, scope: null },
})

test('groups give the roles that the table gives them, and no more', () => {
  const { view, rules } = rulesWith(...userWith('alice', 'read a'))
  apply(view, {
    put_groups: [
      { name: 'team', roles: ['alice'] },
      { name: 'ops', roles: ['leasehold:operator'] },
    ],
  })
  const judge = (groups: readonly string[], operation: Operation): string | null =>
    authorize(rules.at(view), view, member(groups), operation)?.rule ?? null
  assert.equal(judge(['team'], readA), null)
  assert.equal(judge(['team'], operating), 'capability')
  assert.equal(judge(['team', 'ops'], operating), null)
  assert.equal(judge(['nosuch', 'alice', 'root'], readA), 'no such user')
  assert.equal(judge(['team'], root), 'root')
  assert.equal(judge(['team'], known), null)
  // Whom an issuer knows, and no rule speaks of, is nobody here.
  for (const groups of [[], ['nosuch', 'alice', 'root']]) assert.equal(judge(groups, known), 'no such user')
  apply(view, { delete_groups: ['team'] })
  assert.equal(judge(['team'], readA), 'no such user')
})

test('a role that is deleted is gone from groups, too, also when another one gets its name', () => {
  const { view, rules } = rulesWith(...userWith('alice', 'read a'))
  apply(view, { put_groups: [{ name: 'team', roles: ['alice', 'leasehold:operator'] }] })
  changeRules(view, { $case: 'delete_role', value: { name: 'alice' } })
  assert.deepEqual(listGroups(view), [{ name: 'team', roles: ['leasehold:operator'] }])
  changeAll(view, [addRole('alice'), grant('alice', 'readwrite', 'a')])
  assert.equal(authorize(rules.at(view), view, member(['team']), readA)?.rule, 'read')
  // What is there can still be changed.
  apply(view, { put_users: [user('bob', [])] })
})

test('a revoked token is void, and so are those that were derived from it, until it is forgotten', () => {
  const { view, rules } = rulesWith(...userWith('alice', 'read a'))
  apply(view, { put_groups: [{ name: 'team', roles: ['alice'] }] })
  const id = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
  const judge = (...ids: Uint8Array[]): string | null =>
    authorize(rules.at(view), view, member(['team'], mark({ ids })), readA)?.rule ?? null
  assert.equal(judge(id(1)), null)
  const version = rules.version
  assert.equal(revokeToken(view, { id: id(1), expires_ms: 100n, now_ms: 50n }), true)
  assert.equal(rules.at(view).version, version + 1)
  assert.equal(judge(id(1)), 'token is revoked')
  assert.equal(judge(id(2), id(1)), 'token is revoked')
  assert.equal(judge(id(2)), null)
  // Again, and after it has expired: nothing to do.
  assert.equal(revokeToken(view, { id: id(1), expires_ms: 100n, now_ms: 60n }), false)
  assert.equal(revokeToken(view, { id: id(3), expires_ms: 60n, now_ms: 60n }), false)
  const afterMs = 100n + BigInt(limits.tokenClockSkewMs)
  assert.equal(revokeToken(view, { id: id(4), expires_ms: 9000n, now_ms: afterMs }), true)
  assert.equal(judge(id(1)), 'token is revoked', 'by a clock that goes after it has not expired')
  // With a later end: that one counts.
  assert.equal(revokeToken(view, { id: id(4), expires_ms: 20_000n, now_ms: afterMs }), false)
  assert.equal(revokeToken(view, { id: id(4), expires_ms: 10_000n, now_ms: afterMs }), false)
  assert.equal(revokeToken(view, { id: id(5), expires_ms: 30_000n, now_ms: afterMs + 1n }), true)
  assert.equal(judge(id(1)), null)
  assert.equal(revokeToken(view, { id: id(6), expires_ms: 30_000n, now_ms: 19_000n }), true)
  assert.equal(judge(id(4)), 'token is revoked')
  assert.throws(() => revokeToken(view, { id: bytes('short'), expires_ms: 2n, now_ms: 1n }), {
    reason: 'invalidRequest',
  })
})

test('a token that says no revision must be younger than its user, its password, and the end of all its tokens', () => {
  const { view, rules } = rulesWith(addUser('bob'), grantRole('bob', 'root'))
  const judge = (issuedMs: number): string | null => {
    const caller = { ...userCaller(view, 'bob'), token: mark({ issuedMs }) } as Caller
    return authorize(rules.at(view), view, caller, known)?.rule ?? null
  }
  // Added at 1.
  assert.equal(judge(1), 'token is void')
  assert.equal(judge(2), null)
  changeRules(view, { $case: 'revoke_user_tokens', value: { user: 'bob', now_ms: 7n } })
  assert.equal(judge(7), 'token is void')
  assert.equal(judge(8), null)
  const login = userCaller(view, 'bob', Number(rules.at(view).revision) - 1)
  assert.equal(authorize(rules, view, login, known)?.rule, 'token is void')
  changeRules(view, { $case: 'change_password', value: { name: 'bob', password_hash: 'x', now_ms: 9n } })
  assert.equal(judge(9), 'token is void')
  // By a clock that goes after: what was void stays so.
  changeRules(view, { $case: 'change_password', value: { name: 'bob', password_hash: 'x', now_ms: 4n } })
  changeRules(view, { $case: 'revoke_user_tokens', value: { user: 'bob', now_ms: 5n } })
  apply(view, { put_users: [{ ...user('bob', ['root']), no_password: true }], now_ms: 6n })
  assert.equal(judge(9), 'token is void')
  assert.equal(judge(10), null)
  assert.throws(() => changeRules(view, { $case: 'revoke_user_tokens', value: { user: 'no', now_ms: 1n } }), {
    reason: 'userNotFound',
  })
})

test('built-in roles can be granted and neither added nor deleted', () => {
  const { view, rules } = rulesWith(addUser('bob'))
  const change = (made: Parameters<typeof changeRules>[1]) => changeRules(view, made)
  change(grantRole('bob', 'leasehold:operator'))
  assert.equal(authorize(rules.at(view), view, userCaller(view, 'bob'), operating), null)
  for (const name of ['leasehold:operator', 'leasehold:']) {
    assert.throws(() => change({ $case: 'add_role', value: { name } }), { reason: 'invalidAuthManagement' })
  }
  assert.throws(() => change({ $case: 'delete_role', value: { name: 'leasehold:operator' } }), {
    reason: 'roleNotFound',
  })
  assert.throws(() => change(grantRole('bob', 'leasehold:nosuch')), { reason: 'roleNotFound' })
})
