import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseRangeSpec } from '../../../src/auth/range-spec.ts'
import { rangeContains } from '../../../src/base/key-range.ts'
import { explain } from '../../../src/policy/explain.ts'
import { rangeText } from '../../../src/policy/grants.ts'
import { Judge } from '../../../src/policy/judge.ts'
import { parsePolicy } from '../../../src/policy/parse-policy.ts'
import type { Question, Subject } from '../../../src/policy/policy.ts'
import { rulesOfPolicy } from '../../../src/policy/rules.ts'
import { runCases } from '../../../src/policy/run-cases.ts'

const policy = parsePolicy(
  Buffer.from(`version: 1
roles:
  - name: base
    permissions:
      - {allow: [read], prefix: /base/}
  - name: app
    extends: [base]
    permissions:
      - {allow: [read], from: a, to: c}
      - {allow: [read, write], from: c, to: e}
      - {allow: [write], key: w}
  - name: wide
    permissions:
      - {allow: [read, write], all: true}
users:
  - {name: ann, roles: [app], login: certificate}
  - {name: none, login: certificate}
  - {name: op, roles: ["leasehold:operator"], login: certificate}
  - {name: root, roles: [root], login: password}
groups:
  - {name: g, roles: [app, "leasehold:auditor"]}
cases:
  - {user: ann, verb: read, from: a, to: e, expect: allow}
  - {user: ann, verb: write, from: a, to: e, expect: allow}
`),
)
const rules = rulesOfPolicy(policy)
const ask = (subject: string, verb: Question['verb'], range: object | null = null) => {
  const [kind, name] = subject.split(' ')
  const question = {
    subject: { kind: kind as Subject['kind'], name: name! },
    verb,
    range: range === null ? null : parseRangeSpec(range),
  }
  const { denial, builtIn, grants, lacking, nearest, otherRoles } = explain(question, rules, policy)
  return {
    verdict: denial === null ? 'allowed' : denial.rule,
    by: [
      ...builtIn,
      ...grants.map(({ writtenAt, range: granted, place }) => `${writtenAt} ${rangeText(granted)} :${place?.line}`),
    ],
    lacking: lacking.map(rangeText),
    nearest: nearest.map((grant) => `${grant.verbs.join('+')} ${rangeText(grant.range)}`),
    otherRoles,
  }
}
const nothing = { by: [], lacking: [], nearest: [], otherRoles: [] }

for (const { name, got, want } of [
  {
    name: 'one grant',
    got: ask('user ann', 'read', { key: 'b' }),
    want: { ...nothing, verdict: 'allowed', by: ['app from "a" to "c" :9'] },
  },
  {
    name: 'a grant of a base',
    got: ask('user ann', 'read', { key: '/base/x' }),
    want: { ...nothing, verdict: 'allowed', by: ['base prefix "/base/" :5'] },
  },
  {
    name: 'two grants that join',
    got: ask('user ann', 'read', { from: 'b', to: 'd' }),
    want: { ...nothing, verdict: 'allowed', by: ['app from "a" to "c" :9', 'app from "c" to "e" :10'] },
  },
  {
    name: 'in part',
    got: ask('user ann', 'read', { from: 'b', to: 'g' }),
    want: {
      verdict: 'read',
      by: ['app from "a" to "c" :9', 'app from "c" to "e" :10'],
      lacking: ['from "e" to "g"'],
      nearest: ['write key "w"', 'read prefix "/base/"'],
      otherRoles: ['wide'],
    },
  },
  {
    name: 'the other verb',
    got: ask('user ann', 'read', { key: 'w' }),
    want: {
      verdict: 'read',
      by: [],
      lacking: ['key "w"'],
      nearest: ['write key "w"', 'read from "a" to "c"', 'read+write from "c" to "e"'],
      otherRoles: ['wide'],
    },
  },
  {
    name: 'a user without roles',
    got: ask('user none', 'write', { key: 'w' }),
    want: { verdict: 'write', by: [], lacking: ['key "w"'], nearest: [], otherRoles: ['app', 'wide'] },
  },
  {
    name: 'no such user',
    got: ask('user nobody', 'write', { key: '0' }),
    want: { verdict: 'no such user', by: [], lacking: ['key "0"'], nearest: [], otherRoles: ['wide'] },
  },
  {
    name: 'root',
    got: ask('user root', 'write', { all: true }),
    want: { ...nothing, verdict: 'allowed', by: ['root'] },
  },
  { name: 'what only root may', got: ask('user op', 'admin'), want: { ...nothing, verdict: 'root' } },
  {
    name: 'a built-in role',
    got: ask('user op', 'operate'),
    want: { ...nothing, verdict: 'allowed', by: ['leasehold:operator'] },
  },
  { name: 'not a built-in role', got: ask('user op', 'backup'), want: { ...nothing, verdict: 'capability' } },
  {
    name: 'a group',
    got: ask('group g', 'audit'),
    want: { ...nothing, verdict: 'allowed', by: ['leasehold:auditor'] },
  },
  {
    name: 'a role',
    got: ask('role wide', 'read', { all: true }),
    want: { ...nothing, verdict: 'allowed', by: ['wide all keys :14'] },
  },
]) {
  test(`explain: ${name}`, () => assert.deepEqual(got, want))
}

test('cases are asked, and those that are wrong say what was decided', () => {
  assert.deepEqual(
    runCases(policy).map(({ verdict, passed }) => ({ verdict, passed })),
    [
      { verdict: 'allow', passed: true },
      { verdict: 'deny', passed: false },
    ],
  )
})

test('the reasons fit the decision: nothing is lacking exactly if it is allowed, and no lacking key is granted', () => {
  const judge = new Judge(rules)
  const texts = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'w', 'w\u0000', '/base/', '/base/x', '/base0', 'z')
  const range = fc.oneof(
    texts.map((key) => ({ key })),
    texts.map((prefix) => ({ prefix })),
    fc
      .tuple(texts, texts)
      .filter(([from, to]) => from < to)
      .map(([from, to]) => ({ from, to })),
  )
  fc.assert(
    fc.property(fc.constantFrom('ann', 'none'), fc.constantFrom('read', 'write'), range, (name, verb, spec) => {
      const question: Question = { subject: { kind: 'user', name }, verb, range: parseRangeSpec(spec) }
      const { denial, lacking, grants } = explain(question, rules, policy)
      assert.deepEqual(denial, judge.denialOf(question))
      assert.equal(lacking.length === 0, denial === null)
      for (const gap of lacking) {
        const alone = judge.denialOf({ ...question, range: gap })
        assert.notEqual(alone, null)
        assert.ok(!grants.some((grant) => rangeContains(grant.range, gap.start)))
      }
    }),
  )
})
