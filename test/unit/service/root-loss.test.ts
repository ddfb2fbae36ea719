import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Caller } from '../../../src/auth/caller.ts'
import { getSettings } from '../../../src/auth/records.ts'
import { losesLastPassword, losesRoot } from '../../../src/service/root-loss.ts'
import { PolicyApplyRequest } from '../../../src/wire/gen/leasehold.ts'
import { changeAll, memberCaller, rulesWith, userCaller, userWith } from '../../support/auth-tables.ts'

const { view } = rulesWith(...userWith('ann', 'read a'))
const empty = PolicyApplyRequest.decode(new Uint8Array(0))
changeAll(view, [
  {
    $case: 'apply_policy',
    value: {
      expected_revision: getSettings(view).revision,
      ...{ put_roles: [], delete_roles: [], put_users: [], delete_users: [], delete_groups: [], now_ms: 1n },
      put_groups: [
        { name: 'admins', roles: ['root'] },
        { name: 'others', roles: ['ann'] },
      ],
    },
  },
])
const inGroups = (...groups: string[]): Caller => ({
  ...{ kind: 'groups', name: 'x', groups, scope: null },
  token: { revision: null, issuedMs: 1, ids: [] },
})
const root = userCaller(view, 'root')
const group = (name: string, ...roles: string[]) => ({ put_groups: [{ name, roles }] })
const user = (name: string, ...roles: string[]) => ({ put_users: [{ name, roles, no_password: false }] })

for (const { name, caller, rows, want } of [
  { name: 'a user, nothing of it', caller: root, rows: {}, want: false },
  { name: 'a user, somebody else', caller: root, rows: { ...user('ann'), delete_groups: ['admins'] }, want: false },
  { name: 'a user, more roles', caller: root, rows: user('root', 'ann', 'root'), want: false },
  { name: 'a user, no root', caller: root, rows: user('root', 'ann', 'leasehold:operator'), want: true },
  { name: 'a user, deleted', caller: root, rows: { delete_users: ['root'] }, want: true },
  { name: 'a user who is gone', caller: { ...root, id: 99 } as Caller, rows: {}, want: true },
  { name: 'a group, nothing of it', caller: inGroups('others', 'admins'), rows: {}, want: false },
  { name: 'a group, no root', caller: inGroups('others', 'admins'), rows: group('admins'), want: true },
  { name: 'a group, deleted', caller: inGroups('admins'), rows: { delete_groups: ['admins'] }, want: true },
  {
    name: 'a group, by another one',
    caller: inGroups('others', 'admins'),
    rows: { ...group('others', 'root'), delete_groups: ['admins'] },
    want: false,
  },
  {
    name: 'a group, by one it is not in',
    caller: inGroups('admins'),
    rows: { ...group('others', 'root'), delete_groups: ['admins'] },
    want: true,
  },
  { name: 'the member itself', caller: memberCaller, rows: { delete_users: ['root'] }, want: false },
] satisfies { name: string; caller: Caller; rows: Partial<PolicyApplyRequest>; want: boolean }[]) {
  test(`root of one's own: ${name}`, () => assert.equal(losesRoot(view, caller, { ...empty, ...rows }), want))
}

const loggedIn = userCaller(view, 'root', Number(getSettings(view).revision))
const certified = (name: string) => ({ put_users: [{ name, roles: ['root'], no_password: true }] })

for (const { name, caller, rows, want } of [
  { name: 'nothing of it', caller: loggedIn, rows: certified('ann'), want: false },
  { name: 'the only one', caller: loggedIn, rows: certified('root'), want: true },
  { name: 'the role of the only one', caller: loggedIn, rows: user('root', 'ann'), want: true },
  { name: 'the only one who has it', caller: loggedIn, rows: { delete_users: ['root'] }, want: true },
  { name: 'the only one, by a certificate', caller: root, rows: certified('root'), want: false },
  { name: 'the only one, by an issuer', caller: inGroups('admins'), rows: certified('root'), want: false },
  { name: 'nothing, of roles', caller: loggedIn, rows: user('root', 'root', 'ann'), want: false },
] satisfies { name: string; caller: Caller; rows: Partial<PolicyApplyRequest>; want: boolean }[]) {
  test(`the last password: ${name}`, () => assert.equal(losesLastPassword(view, caller, { ...empty, ...rows }), want))
}
