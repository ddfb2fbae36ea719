import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkPolicy } from '../../../src/policy/check-policy.ts'
import { findingLevels } from '../../../src/policy/finding.ts'
import { parsePolicy } from '../../../src/policy/parse-policy.ts'

const root = '{name: root, login: password, roles: [root]}'

/** A role `r` with permissions, of one user, beside root. */
const role = (...permissions: string[]): string => `
version: 1
roles: [{name: r, permissions: [${permissions.join(', ')}]}]
users: [${root}, {name: u, login: certificate, roles: [r]}]
`
const users = (...all: string[]): string => `
version: 1
roles: [{name: r, permissions: [{allow: [read], prefix: /r/}]}, {name: part, permissions: [{allow: [read], key: /r/1}]}]
users: [{name: x, login: certificate, roles: [r]}, {name: y, login: certificate, roles: [part]}, ${all.join(', ')}]
`
const groups = (roles: string): string => `
version: 1
roles:
  - {name: all, permissions: [{allow: [read], all: true}]}
  - {name: top, permissions: [{allow: [read], prefix: /}]}
  - {name: low, permissions: [{allow: [read], from: "\\0", to: /m}]}
  - {name: high, permissions: [{allow: [read], from: /m}]}
users:
  - ${root}
  - {name: u, login: certificate, roles: [all]}
  - {name: v, login: certificate, roles: [top]}
  - {name: w, login: certificate, roles: [low]}
  - {name: x, login: certificate, roles: [high]}
groups: [{name: g, roles: [${roles}]}]
`
const two = (first: string, second: string): string => `
version: 1
roles: [{name: a, permissions: [${first}]}, {name: b, permissions: [${second}]}]
users: [${root}, {name: ann, login: certificate, roles: [a]}, {name: bob, login: certificate, roles: [b]}]
`

const rows: { name: string; file: string; want: string[] }[] = [
  { name: 'nothing wrong', file: role('{allow: [read, write], prefix: /app/}'), want: [] },
  // Ranges of one role.
  {
    name: 'a permission inside another',
    file: role('{allow: [read, write], prefix: /app/}', '{allow: [read], key: /app/x}'),
    want: ['shadowed-permission'],
  },
  {
    name: 'inside another for one verb only',
    file: role('{allow: [read], prefix: /app/}', '{allow: [read, write], key: /app/x}'),
    want: [],
  },
  {
    name: 'inside two others, one for each verb',
    file: role(
      '{allow: [read], prefix: /app/}',
      '{allow: [write], from: /app/, to: /app/~}',
      '{allow: [read, write], key: /app/x}',
    ),
    want: ['shadowed-permission'],
  },
  {
    name: 'two that overlap',
    file: role('{allow: [read], from: a0, to: a5}', '{allow: [read], from: a3, to: a7}'),
    want: ['overlapping-permissions'],
  },
  {
    name: 'two that touch',
    file: role('{allow: [write], from: a0, to: a5}', '{allow: [write], from: a5, to: a7}'),
    want: ['adjacent-permissions'],
  },
  {
    name: 'two that touch, of other verbs',
    file: role('{allow: [write], from: a0, to: a5}', '{allow: [read], from: a5, to: a7}'),
    want: [],
  },
  {
    name: 'a gap of one key',
    file: role('{allow: [write], from: a0, to: a5}', '{allow: [write], from: "a5\\0", to: a7}'),
    want: [],
  },
  {
    name: 'what a base has already',
    file: `
version: 1
roles: [{name: base, permissions: [{allow: [read], prefix: /a/}]}, {name: r, extends: [base], permissions: [{allow: [read], prefix: /a/}, {allow: [write], prefix: /a/x/}]}]
users: [${root}, {name: u, login: certificate, roles: [r]}]
`,
    want: ['shadowed-permission'],
  },
  { name: 'a prefix without a slash', file: role('{allow: [read], prefix: /app}'), want: ['open-prefix'] },
  { name: 'a prefix that ends otherwise', file: role('{allow: [read], prefix: app-}'), want: [] },
  { name: 'a key with a slash', file: role('{allow: [read], key: /app/}'), want: ['key-with-slash'] },
  // Roles.
  { name: 'a role for nothing', file: role(), want: ['role-without-permissions'] },
  {
    name: 'a role of nobody',
    file: `{version: 1, users: [${root}], roles: [{name: r, permissions: [{allow: [read], key: k}]}]}`,
    want: ['unused-role'],
  },
  { name: 'writes everything', file: role('{allow: [write], all: true}'), want: ['all-keys-written'] },
  { name: 'writes everything below /', file: role('{allow: [write], prefix: /}'), want: ['all-keys-written'] },
  {
    name: 'writes everything in two parts',
    file: role('{allow: [write], from: "\\0", to: m}', '{allow: [write], from: m}'),
    want: ['all-keys-written', 'adjacent-permissions'],
  },
  { name: 'reads everything, one user', file: role('{allow: [read], all: true}'), want: [] },
  {
    name: 'reads everything, three users',
    file: `
version: 1
roles: [{name: r, permissions: [{allow: [read], prefix: /}]}]
users: [${root}, ${['a', 'b', 'c'].map((name) => `{name: ${name}, login: certificate, roles: [r]}`).join(', ')}]
`,
    want: ['all-keys-to-many'],
  },
  {
    name: 'reads everything, both users that there are',
    file: `
version: 1
roles: [{name: r, permissions: [{allow: [read], all: true}]}]
users: [${root}, {name: a, login: certificate, roles: [r]}, {name: b, login: certificate, roles: [r]}]
`,
    want: ['all-keys-to-many'],
  },
  {
    name: 'reads everything, three users by a role each, one of them by two',
    file: `
version: 1
roles:
  - {name: a, permissions: [{allow: [read], all: true}]}
  - {name: b, permissions: [{allow: [read], prefix: /}]}
  - {name: low, permissions: [{allow: [read], from: "\\0", to: /m}]}
  - {name: high, permissions: [{allow: [read], from: /m}]}
users:
  - ${root}
  - {name: a, login: certificate, roles: [a]}
  - {name: b, login: certificate, roles: [b]}
  - {name: c, login: certificate, roles: [low, high]}
  - {name: d, login: certificate, roles: [low]}
`,
    want: ['all-keys-to-many'],
  },
  {
    name: 'reads everything, a user of two and an administrator',
    file: `
version: 1
roles: [{name: r, permissions: [{allow: [read], all: true}]}, {name: s, permissions: [{allow: [read], key: k}]}]
users: [{name: root, login: password, roles: [root, r]}, {name: a, login: certificate, roles: [r]}, {name: b, login: certificate, roles: [s]}]
`,
    want: ['redundant-role'],
  },
  {
    name: 'reads everything, two users of three',
    file: `
version: 1
roles: [{name: r, permissions: [{allow: [read], all: true}]}, {name: s, permissions: [{allow: [read], key: k}]}]
users: [${root}, {name: a, login: certificate, roles: [r]}, {name: b, login: certificate, roles: [r]}, {name: c, login: certificate, roles: [s]}]
`,
    want: [],
  },
  { name: 'a group reads everything', file: groups('all'), want: ['all-keys-to-group'] },
  { name: 'a group reads everything below /', file: groups('top'), want: ['all-keys-to-group'] },
  { name: 'a group reads everything in two parts', file: groups('low, high'), want: ['all-keys-to-group'] },
  { name: 'a group reads one of them', file: groups('low'), want: [] },
  { name: 'a group may everything', file: groups('root'), want: ['root-to-group'] },
  { name: 'a group takes snapshots', file: groups('"leasehold:backup"'), want: ['snapshot-to-group'] },
  { name: 'a group for nothing', file: groups(''), want: ['group-without-roles'] },
  { name: 'a group of operators', file: groups('"leasehold:operator"'), want: [] },
  // Users.
  { name: 'no administrator', file: users('{name: ann, login: certificate, roles: [r]}'), want: ['no-administrator'] },
  {
    name: 'another administrator than the user root',
    file: users('{name: ann, login: certificate, roles: [root]}'),
    want: ['no-administrator'],
  },
  {
    name: 'four administrators',
    file: users(root, ...['a', 'b', 'c'].map((name) => `{name: ${name}, login: certificate, roles: [root]}`)),
    want: ['root-to-many'],
  },
  { name: 'a user for nothing', file: users(root, '{name: ann, login: certificate}'), want: ['user-without-roles'] },
  {
    name: 'a role too many',
    file: users(root, '{name: ann, login: certificate, roles: [r, part]}'),
    want: ['redundant-role'],
  },
  {
    name: 'a role beside root',
    file: users('{name: root, login: certificate, roles: [root, r]}'),
    want: ['redundant-role'],
  },
  {
    name: 'a name with a space',
    file: users(root, '{name: "ann ", login: certificate, roles: [r]}'),
    want: ['odd-name'],
  },
  {
    name: 'a name that looks like another',
    file: users(root, '{name: "e\\u0301ve", login: certificate, roles: [r]}'),
    want: ['odd-name'],
  },
  { name: 'a key with what cannot be seen', file: role('{allow: [read], prefix: "/app\\u200b/"}'), want: ['odd-key'] },
  { name: 'a key with a space at its end', file: role('{allow: [read], from: /a, to: "/b "}'), want: ['odd-key'] },
  { name: 'a key with an accent', file: role('{allow: [read], prefix: "/\\u00e9/"}'), want: [] },
  {
    name: 'a name that is a path',
    file: users(root, '{name: "spiffe://x/../y", login: certificate, roles: [r]}'),
    want: [],
  },
  // Roles beside each other.
  {
    name: 'two writers of the same keys',
    file: two('{allow: [write], from: /a/, to: /c/}', '{allow: [write], from: /b/, to: /d/}'),
    want: ['shared-writes'],
  },
  {
    name: 'a reader of them',
    file: two('{allow: [write], from: /a/, to: /c/}', '{allow: [read], from: /b/, to: /d/}'),
    want: [],
  },
  {
    name: 'a writer of all of them',
    file: two('{allow: [write], from: /a/, to: /c/}', '{allow: [write], prefix: /a/}'),
    want: [],
  },
]

for (const { name, file, want } of rows) {
  test(`check: ${name}`, () => {
    const findings = checkPolicy(parsePolicy(Buffer.from(file)))
    assert.deepEqual(findings.map((one) => one.name).sort(), want.toSorted())
    for (const { level, name: found, place, message } of findings) {
      assert.equal(level, findingLevels[found])
      assert.ok(place.line >= 1 && place.column >= 1)
      assert.doesNotMatch(message, /\n/)
    }
  })
}

test('every finding has a row', () => {
  const found = new Set(rows.flatMap(({ want }) => want))
  assert.deepEqual(
    Object.keys(findingLevels).filter((name) => !found.has(name)),
    [],
  )
})
