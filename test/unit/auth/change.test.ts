import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changeRules, type RuleChange } from '../../../src/auth/change.ts'
import { getRole, getSettings, getToken, getUser, listRoles, listUsers } from '../../../src/auth/records.ts'
import { issueToken, renewToken } from '../../../src/auth/token.ts'
import { limits } from '../../../src/base/limits.ts'
import { EtcdError } from '../../../src/errors.ts'
import {
  addRole,
  addUser,
  changeAll,
  disable,
  enable,
  grant,
  grantRole,
  permission,
  revoke,
  revokeRole,
  withRoot,
} from '../../support/auth-tables.ts'
import { NaiveView } from '../../support/naive-view.ts'

const deleteUser = (name: string): RuleChange => ({ $case: 'delete_user', value: { name } })
const deleteRole = (name: string): RuleChange => ({ $case: 'delete_role', value: { name } })
const changePassword = (name: string, password_hash: string): RuleChange => ({
  $case: 'change_password',
  value: { name, password_hash, now_ms: 1n },
})

/** The refusal; null if it was made. A refusal must leave no trace. */
function refusal(view: NaiveView, change: RuleChange): string | null {
  const before = JSON.stringify([...view.scan('auth', { start: Buffer.of(0), end: null })].map(String))
  try {
    changeRules(view, change)
    return null
  } catch (error) {
    assert.ok(error instanceof EtcdError, String(error))
    assert.equal(JSON.stringify([...view.scan('auth', { start: Buffer.of(0), end: null })].map(String)), before)
    return error.reason
  }
}

const long = 'x'.repeat(limits.authNameBytesMax + 1)
const some: readonly RuleChange[] = [
  ...withRoot,
  addUser('u'),
  addRole('r'),
  grant('r', 'read', 'a'),
  grantRole('u', 'r'),
]

for (const { name, before = some, change, want } of [
  { name: 'a user without a name', change: addUser(''), want: 'userEmpty' },
  { name: 'a user twice', change: addUser('u'), want: 'userExists' },
  { name: 'a user named like a path', change: addUser('../../etc/passwd'), want: null },
  { name: 'a user whose name is too long', change: addUser(long), want: 'invalidAuthManagement' },
  { name: 'a user whose name has a megabyte', change: addUser('x'.repeat(1024 * 1024)), want: 'invalidAuthManagement' },
  { name: 'a user whose name has a NUL', change: addUser('a\0b'), want: null },
  { name: 'deleting nobody', change: deleteUser('nobody'), want: 'userNotFound' },
  { name: 'deleting a name that nobody can have', change: deleteUser(long), want: 'userNotFound' },
  { name: 'deleting root while auth is off', change: deleteUser('root'), want: null },
  { name: 'deleting root', before: [...some, enable], change: deleteUser('root'), want: 'invalidAuthManagement' },
  { name: 'a password for nobody', change: changePassword('nobody', 'x'), want: 'userNotFound' },
  { name: 'a role for nobody', change: grantRole('nobody', 'r'), want: 'userNotFound' },
  { name: 'no such role for a user', change: grantRole('u', 'nosuch'), want: 'roleNotFound' },
  { name: 'root needs no role of that name', change: grantRole('u', 'root'), want: null },
  { name: 'taking a role that is not held', change: revokeRole('u', 'root'), want: 'roleNotGranted' },
  { name: 'taking a role from nobody', change: revokeRole('nobody', 'r'), want: 'userNotFound' },
  {
    name: 'taking root from root',
    before: [...some, enable],
    change: revokeRole('root', 'root'),
    want: 'invalidAuthManagement',
  },
  { name: 'a role without a name', change: addRole(''), want: 'roleEmpty' },
  { name: 'a role twice', change: addRole('r'), want: 'roleExists' },
  { name: 'a role whose name is too long', change: addRole(long), want: 'invalidAuthManagement' },
  { name: 'deleting no role', change: deleteRole('nosuch'), want: 'roleNotFound' },
  {
    name: 'deleting the role root',
    before: [...some, addRole('root'), enable],
    change: deleteRole('root'),
    want: 'invalidAuthManagement',
  },
  {
    name: 'no permission',
    change: { $case: 'grant_permission', value: { role: 'r', permission: undefined } },
    want: 'permissionNotGiven',
  },
  { name: 'an inverted permission', change: grant('r', 'read', 'c,a'), want: 'invalidAuthManagement' },
  { name: 'a permission of an empty range', change: grant('r', 'read', 'c,c'), want: 'invalidAuthManagement' },
  { name: 'a permission without a key', change: grant('r', 'read', ''), want: 'invalidAuthManagement' },
  {
    name: 'a permission of no known kind',
    change: {
      $case: 'grant_permission',
      value: { role: 'r', permission: { ...permission('read', 'a'), permType: 3 as 0 } },
    },
    want: 'invalidAuthManagement',
  },
  { name: 'a permission for no role', change: grant('nosuch', 'read', 'a'), want: 'roleNotFound' },
  { name: 'taking a permission that is not there', change: revoke('r', 'b'), want: 'permissionNotGranted' },
  { name: 'taking a permission by half of its name', change: revoke('r', 'a,b'), want: 'permissionNotGranted' },
  { name: 'taking a permission from no role', change: revoke('nosuch', 'a'), want: 'roleNotFound' },
  { name: 'enabling without root', before: [], change: enable, want: 'rootUserNotFound' },
  { name: 'enabling with a root that is none', before: [addUser('root')], change: enable, want: 'rootRoleNotGranted' },
  { name: 'enabling', change: enable, want: null },
  { name: 'enabling twice', before: [...some, enable], change: enable, want: null },
  { name: 'disabling twice', change: disable, want: null },
] as { name: string; before?: readonly RuleChange[]; change: RuleChange; want: string | null }[]) {
  test(`${name}: ${want ?? 'done'}`, () => {
    const view = new NaiveView()
    changeAll(view, before)
    assert.equal(refusal(view, change), want)
  })
}

test('the revision counts what etcd counts', () => {
  const view = new NaiveView()
  const revisions: bigint[] = [getSettings(view).revision]
  const steps = [
    ...[addUser('root'), grantRole('root', 'root'), grantRole('root', 'root'), addRole('r'), grant('r', 'read', 'a')],
    ...[grant('r', 'write', 'a'), enable, enable, revoke('r', 'a'), deleteRole('r'), disable, disable],
  ]
  for (const step of steps) {
    changeRules(view, step)
    revisions.push(getSettings(view).revision)
  }
  assert.deepEqual(revisions.map(Number), [1, 2, 3, 3, 4, 5, 6, 6, 6, 7, 8, 9, 9])
})

test('a permission on the same range is replaced, and they are kept in order', () => {
  const view = new NaiveView()
  changeAll(view, [
    addRole('r'),
    grant('r', 'read', 'b'),
    grant('r', 'read', 'a,c'),
    grant('r', 'read', 'a'),
    grant('r', 'write', 'b'),
  ])
  const shown = getRole(view, 'r')!.permissions.map(({ permType, key, range_end }) => [
    permType,
    Buffer.from(key).toString(),
    Buffer.from(range_end).toString(),
  ])
  assert.deepEqual(shown, [
    [0, 'a', ''],
    [0, 'a', 'c'],
    [1, 'b', ''],
  ])
})

test('a deleted role goes from its users, and names are listed as bytes sort', () => {
  const view = new NaiveView()
  changeAll(view, [...['ü', 'b', 'a', '\u{10000}', '\uffff'].map((name) => addUser(name)), addRole('s'), addRole('r')])
  changeAll(view, [grantRole('a', 's'), grantRole('a', 'r'), grantRole('b', 'r'), deleteRole('r')])
  assert.deepEqual(
    listUsers(view).map(({ name }) => name),
    ['a', 'b', 'ü', '\uffff', '\u{10000}'],
  )
  assert.deepEqual(
    listRoles(view).map(({ name }) => name),
    ['s'],
  )
  assert.deepEqual(getUser(view, 'a')?.roles, ['s'])
  assert.deepEqual(getUser(view, 'b')?.roles, [])
})

test('a user without a password gets none', () => {
  const view = new NaiveView()
  changeAll(view, [
    { $case: 'add_user', value: { name: 'cn', password_hash: '', no_password: true, now_ms: 1n } },
    changePassword('cn', 'hash'),
  ])
  assert.equal(getUser(view, 'cn')?.password_hash, '')
})

test('a user who is deleted and added again has another id', () => {
  const view = new NaiveView()
  changeAll(view, [addUser('u')])
  const { id } = getUser(view, 'u')!
  changeAll(view, [deleteUser('u'), addUser('u')])
  assert.ok(getUser(view, 'u')!.id > id)
})

// --- tokens ---

const issue = (view: NaiveView, name: string, hash: string, now = 1000, index = 7): void => {
  const { id, tokens_since } = getUser(view, name)!
  const times = { now_ms: BigInt(now), ttl_ms: 500n }
  issueToken(view, { user_id: id, tokens_since, hash: Buffer.from(hash), ...times }, index)
}
const tokenRows = (view: NaiveView): number =>
  ['tu', 'xy'].reduce(
    (sum, [from, to]) => sum + view.count('auth', { start: Buffer.from(from!), end: Buffer.from(to!) }),
    0,
  )

function withUser(): NaiveView {
  const view = new NaiveView()
  changeAll(view, [...withRoot, addUser('u'), enable])
  return view
}

test('a token is issued only while the password that was checked is the one', () => {
  const view = withUser()
  const { id, tokens_since } = getUser(view, 'u')!
  const stale = { user_id: id, tokens_since, hash: Buffer.from('h'), now_ms: 0n, ttl_ms: 1n }
  changeAll(view, [changePassword('u', 'other')])
  assert.throws(() => issueToken(view, stale, 1), { reason: 'authOldRevision' })
  changeAll(view, [deleteUser('u'), addUser('u')])
  assert.throws(() => issueToken(view, stale, 1), { reason: 'authOldRevision' })
  changeAll(view, [disable])
  assert.throws(() => issueToken(view, stale, 1), { reason: 'authNotEnabled' })
  assert.equal(tokenRows(view), 0)
})

test('tokens neither count as changes nor outlive their time for long', () => {
  const view = withUser()
  const { version } = getSettings(view)
  for (let n = 0; n < 250; n++) issue(view, 'u', `hash ${n}`)
  assert.equal(getSettings(view).version, version)
  assert.equal(tokenRows(view), 500)
  for (let n = 0; n < 3; n++) issue(view, 'u', `late ${n}`, 2000)
  assert.equal(tokenRows(view), 6, 'some with each that is issued')
})

test('a token that is renewed lives longer, one that is gone stays so', () => {
  const view = withUser()
  issue(view, 'u', 'h')
  const renew = (hash: string, now: number): void =>
    renewToken(view, { hash: Buffer.from(hash), now_ms: BigInt(now), ttl_ms: 500n })
  renew('h', 1400)
  assert.equal(getToken(view, Buffer.from('h'))?.expires_ms, 1900n)
  renew('h', 1300)
  assert.equal(getToken(view, Buffer.from('h'))?.expires_ms, 1900n, 'never shorter')
  renew('other', 1400)
  assert.equal(getToken(view, Buffer.from('other')), null)
  renew('h', 1500)
  assert.equal(tokenRows(view), 2)
})
