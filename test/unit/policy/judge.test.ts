import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AccessRules } from '../../../src/auth/access-rules.ts'
import { authorize } from '../../../src/auth/authorize.ts'
import type { Caller } from '../../../src/auth/caller.ts'
import { type Operation, operating, root } from '../../../src/auth/operation.ts'
import { getSettings, getUser } from '../../../src/auth/records.ts'
import { rangeFromWire } from '../../../src/base/key-range.ts'
import { Judge } from '../../../src/policy/judge.ts'
import type { Question } from '../../../src/policy/policy.ts'
import { type Rules, rulesOfCluster } from '../../../src/policy/rules.ts'
import { changeAll, enable, permission, withRoot } from '../../support/auth-tables.ts'
import { NaiveView } from '../../support/naive-view.ts'

const letters = fc.constantFrom('a', 'b', 'c', 'd')
const grants = fc.uniqueArray(
  fc
    .tuple(fc.constantFrom('read', 'write', 'readwrite'), letters, fc.constantFrom('', 'b', 'c', 'd', null))
    .filter(([, from, to]) => to === null || to === '' || from < to)
    .map(([kind, from, to]) => permission(kind as 'read', to === null ? from : `${from},${to}`)),
  { maxLength: 3, selector: ({ key, range_end }) => `${key} ${range_end}` },
)
const held = fc.subarray(['r', 's', 'root', 'leasehold:operator'])
const someRules: fc.Arbitrary<Rules> = fc
  .record({ r: grants, s: grants, ann: held, bob: held, g: held })
  .map(({ r, s, ann, bob, g }) =>
    rulesOfCluster({
      roles: [
        { name: 'r', permissions: r },
        { name: 's', permissions: s },
      ],
      users: [
        { name: 'ann', roles: ann, no_password: true },
        { name: 'bob', roles: bob, no_password: false },
      ],
      groups: [{ name: 'g', roles: g }],
    }),
  )
const questions: fc.Arbitrary<Question> = fc.record({
  subject: fc.constantFrom(...(['ann', 'bob', 'nobody'] as const).map((name) => ({ kind: 'user', name }) as const), {
    kind: 'group',
    name: 'g',
  } as const),
  verb: fc.constantFrom('read', 'write', 'operate', 'admin'),
  range: fc
    .tuple(letters, fc.constantFrom('', '\u0000', 'e', 'c'))
    .map(([from, to]) => rangeFromWire(Buffer.from(from), Buffer.from(to))),
})

function callerOf(view: NaiveView, { subject: { kind, name } }: Question): Caller {
  if (kind === 'group') {
    return { kind: 'groups', name: 'x', groups: [name], token: { revision: null, issuedMs: 1, ids: [] }, scope: null }
  }
  const user = getUser(view, name)
  return user === null ? { kind: 'stranger' } : { kind: 'user', id: Number(user.id), token: null, scope: null }
}

test('a policy is judged as a member judges that it was applied to', () => {
  let allowed = 0
  fc.assert(
    fc.property(someRules, questions, (rules, { subject, verb, range }) => {
      // A member's own state, with users of before.
      const view = new NaiveView()
      changeAll(view, [...withRoot, enable])
      const nothing = { delete_roles: [], delete_users: [], delete_groups: [], now_ms: 0n }
      changeAll(view, [
        {
          $case: 'apply_policy',
          value: {
            expected_revision: getSettings(view).revision,
            put_roles: [...rules.roles],
            put_users: [...rules.users],
            put_groups: [...rules.groups],
            ...nothing,
          },
        },
      ])
      const question: Question = { subject, verb, range: verb === 'read' || verb === 'write' ? range : null }
      const operation: Operation =
        verb === 'operate'
          ? operating
          : verb === 'admin'
            ? root
            : { kind: 'keys', needs: [{ kind: verb as 'read', range: range! }] }
      const want = authorize(new AccessRules().at(view), view, callerOf(view, question), operation)
      assert.deepEqual(new Judge(rules).denialOf(question), want)
      if (want === null) allowed++
    }),
    { numRuns: 1000 },
  )
  assert.ok(allowed > 100)
})

test('a role alone is judged as a user who has it and no other', () => {
  fc.assert(
    fc.property(someRules, questions, (rules, { verb, range }) => {
      const question = { verb, range: verb === 'read' || verb === 'write' ? range : null }
      const alone = { ...rules, users: [{ name: 'holder', roles: ['r'], no_password: true }] }
      assert.deepEqual(
        new Judge(rules).denialOf({ ...question, subject: { kind: 'role', name: 'r' } }),
        new Judge(alone).denialOf({ ...question, subject: { kind: 'user', name: 'holder' } }),
      )
    }),
  )
})
