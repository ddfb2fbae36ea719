import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RuleChange } from '../../../src/auth/change.ts'
import { getGroup, getSettings, getUser } from '../../../src/auth/records.ts'
import { EtcdError } from '../../../src/errors.ts'
import type { Credentials } from '../../../src/service/call.ts'
import { policyApply, policyGet } from '../../../src/service/policies.ts'
import { StatusError } from '../../../src/service/status-error.ts'
import { PolicyApplyRequest, PolicyApplyResponse, PolicyGetResponse } from '../../../src/wire/gen/leasehold.ts'
import { AuthMember } from '../../support/auth-member.ts'
import { addUser, enable, grantRole, userWith, withRoot } from '../../support/auth-tables.ts'
import { fakeCall, noCredentials } from '../../support/fake-call.ts'

const nothing = new Uint8Array(0)
const empty = PolicyApplyRequest.decode(nothing)
const user = (name: string, ...roles: string[]) => ({ name, roles, no_password: false })
const asRoot = 'root'

async function withRules(...more: readonly RuleChange[]): Promise<AuthMember> {
  const member = new AuthMember()
  await member.change(
    ...withRoot,
    addUser('admin'),
    grantRole('admin', 'root'),
    ...userWith('ann', 'read k'),
    addUser('auditor'),
    grantRole('auditor', 'leasehold:auditor'),
    ...more,
    enable,
  )
  return member
}

async function callOf(member: AuthMember, name: string | null) {
  const credentials: Credentials = name === null ? noCredentials : { ...noCredentials, token: await member.token(name) }
  return fakeCall(credentials)
}

const get = async (member: AuthMember, name: string | null): Promise<PolicyGetResponse> =>
  PolicyGetResponse.decode(await policyGet(member, nothing, await callOf(member, name)))

/** By the newest revision, if not said otherwise. */
async function apply(member: AuthMember, name: string | null, rows: Partial<PolicyApplyRequest>) {
  const request = { ...empty, expected_auth_revision: getSettings(member.view).revision, ...rows }
  const answer = await policyApply(member, PolicyApplyRequest.encode(request).finish(), await callOf(member, name))
  return PolicyApplyResponse.decode(answer).auth_revision
}

async function reasonOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'done'
  } catch (error) {
    assert.ok(error instanceof EtcdError, String(error))
    return error.reason
  }
}

test('all rules are shown to root and auditors, without a trace of passwords', async () => {
  const member = await withRules()
  for (const name of [asRoot, 'auditor']) {
    const { enabled, auth_revision, users, roles, groups } = await get(member, name)
    assert.deepEqual([enabled, auth_revision], [true, getSettings(member.view).revision])
    assert.deepEqual(users, [
      user('admin', 'root'),
      user('ann', 'ann'),
      user('auditor', 'leasehold:auditor'),
      user('root', 'root'),
    ])
    assert.deepEqual([roles.map((role) => role.name), groups], [['ann'], []])
  }
  const bytes = await policyGet(member, nothing, await callOf(member, asRoot))
  assert.ok(!Buffer.from(bytes).includes('hash'))
  assert.equal(await reasonOf(get(member, 'ann')), 'permissionDenied')
  assert.equal(await reasonOf(get(member, null)), 'userEmpty')
})

test('rules are applied as one revision, by root alone, on the rules that were seen', async () => {
  const member = await withRules()
  const before = getSettings(member.view).revision
  const rows = { put_users: [user('bob', 'ann')], put_groups: [{ name: 'g', roles: ['ann'] }], delete_users: ['ann'] }
  for (const [name, reason] of [
    ['ann', 'permissionDenied'],
    ['auditor', 'permissionDenied'],
    [null, 'userEmpty'],
  ] as const) {
    assert.equal(await reasonOf(apply(member, name, rows)), reason)
  }
  for (const expected_auth_revision of [0n, before - 1n, before + 1n]) {
    assert.equal(await reasonOf(apply(member, asRoot, { ...rows, expected_auth_revision })), 'authOldRevision')
  }
  assert.equal(getSettings(member.view).revision, before)
  assert.equal(await apply(member, asRoot, rows), before + 1n)
  assert.equal(getSettings(member.view).revision, before + 1n)
  assert.deepEqual([getUser(member.view, 'ann'), getUser(member.view, 'bob')?.password_hash], [null, ''])
  assert.deepEqual(getGroup(member.view, 'g')?.roles, ['ann'])
})

test('a change that was accepted is refused where it is applied, if another one came between', async () => {
  const member = await withRules()
  const call = await callOf(member, asRoot)
  const propose = member.propose.bind(member)
  member.propose = async (kind, request, caller) => {
    member.propose = propose
    await member.change(addUser('meanwhile'))
    return propose(kind, request, caller)
  }
  const request = { ...empty, expected_auth_revision: getSettings(member.view).revision, delete_users: ['ann'] }
  const bytes = PolicyApplyRequest.encode(request).finish()
  assert.equal(await reasonOf(policyApply(member, bytes, call)), 'authOldRevision')
  assert.notEqual(getUser(member.view, 'ann'), null)
})

test('nobody takes root from themselves; others may', async () => {
  const member = await withRules()
  const losses: Partial<PolicyApplyRequest>[] = [
    { delete_users: ['admin'] },
    { put_users: [user('admin')] },
    { put_users: [user('admin', 'ann', 'leasehold:operator')] },
  ]
  for (const rows of losses) {
    assert.equal(await reasonOf(apply(member, 'admin', rows)), 'invalidAuthManagement')
    assert.equal(getUser(member.view, 'admin')?.roles[0], 'root')
  }
  await apply(member, 'admin', { put_users: [user('admin', 'root', 'ann')] })
  await apply(member, asRoot, { delete_users: ['admin'] })
  for (const rows of [{ delete_users: ['root'] }, { put_users: [user('root', 'ann')] }]) {
    assert.equal(await reasonOf(apply(member, asRoot, rows)), 'invalidAuthManagement')
  }
})

test('the last password of root is not given up by who came with one', async () => {
  const member = await withRules()
  const withCertificate = (...names: string[]) => names.map((name) => ({ ...user(name, 'root'), no_password: true }))
  await apply(member, asRoot, { put_users: withCertificate('admin') })
  for (const rows of [
    { put_users: withCertificate('root') },
    { put_users: [...withCertificate('root'), user('new', 'root')] },
  ]) {
    assert.equal(await reasonOf(apply(member, asRoot, rows)), 'invalidAuthManagement')
  }
  assert.equal(getUser(member.view, 'root')?.password_hash, 'hash')
  // Who came with a certificate has shown that it is good.
  const bytes = PolicyApplyRequest.encode({
    ...{ ...empty, expected_auth_revision: getSettings(member.view).revision },
    put_users: withCertificate('root'),
  }).finish()
  await policyApply(member, bytes, fakeCall({ ...noCredentials, certificateName: 'admin' }))
  assert.equal(getUser(member.view, 'root')?.password_hash, '')
})

test('with auth off anybody may, as with every other change', async () => {
  const member = new AuthMember()
  assert.equal(await apply(member, null, { put_users: [user('root', 'root')] }), 2n)
  assert.equal((await get(member, null)).enabled, false)
})

test('what is no message, and what is too large, is refused', async () => {
  const member = await withRules()
  const call = await callOf(member, asRoot)
  await assert.rejects(policyApply(member, Uint8Array.of(0xff), call), StatusError)
  const names = Array.from({ length: 2000 }, (_, index) => user(`${index} ${'x'.repeat(900)}`))
  assert.equal(await reasonOf(apply(member, asRoot, { put_users: names })), 'requestTooLarge')
})
