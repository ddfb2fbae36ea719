import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Applicant, lockoutOf } from '../../../src/policy/lockout.ts'
import { parsePolicy } from '../../../src/policy/parse-policy.ts'
import { type Rules, rulesOfPolicy } from '../../../src/policy/rules.ts'

const rulesOf = (rows: string): Rules => rulesOfPolicy(parsePolicy(Buffer.from(`{version: 1, ${rows}}`)))
const root = '{name: root, roles: [root], login: password}'
const before = rulesOf(
  `users: [${root}, {name: ann, roles: [root], login: certificate}], groups: [{name: g, roles: [root]}]`,
)
const byRoot: Applicant = { user: 'root', groups: [] }

for (const { name, after, applicant = byRoot, want } of [
  { name: 'all as it was', after: rulesOf(`users: [${root}]`), want: null },
  {
    name: 'the user root is gone',
    after: rulesOf('users: [{name: ann, roles: [root], login: certificate}]'),
    want: /user root/,
  },
  { name: 'root without its role', after: rulesOf('users: [{name: root, login: password}]'), want: /user root/ },
  {
    name: 'one takes it from itself',
    after: rulesOf(`users: [${root}, {name: ann, login: certificate}]`),
    applicant: { user: 'ann', groups: [] },
    want: /the user "ann" would lose/,
  },
  {
    name: 'one takes it from another',
    after: rulesOf(`users: [${root}, {name: ann, login: certificate}]`),
    want: null,
  },
  {
    name: 'a group takes it from itself',
    after: rulesOf(`users: [${root}], groups: [{name: g}]`),
    applicant: { user: '', groups: ['g', 'h'] },
    want: /groups of yours would lose/,
  },
  {
    name: 'a group keeps it by another one',
    after: rulesOf(`users: [${root}], groups: [{name: g}, {name: h, roles: [root]}]`),
    applicant: { user: '', groups: ['g', 'h'] },
    want: null,
  },
  { name: 'nobody is known', after: rulesOf(`users: [${root}]`), applicant: null, want: null },
] satisfies { name: string; after: Rules; applicant?: Applicant | null; want: RegExp | null }[]) {
  test(`lockout: ${name}`, () => {
    const got = lockoutOf(before, after, applicant)
    if (want === null) assert.equal(got, null)
    else assert.match(got ?? '', want)
  })
}

test('an administrator who has no password yet is none', () => {
  const was = rulesOf('users: [{name: root, roles: [root], login: certificate}]')
  assert.match(lockoutOf(was, rulesOf(`users: [${root}]`), byRoot) ?? '', /would have a password/)
  const helped = rulesOf(`users: [${root}, {name: ann, roles: [root], login: certificate}]`)
  assert.equal(lockoutOf(was, helped, byRoot), null)
})
