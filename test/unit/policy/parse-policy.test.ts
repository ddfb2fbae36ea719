import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { limits } from '../../../src/base/limits.ts'
import { checkPolicy } from '../../../src/policy/check-policy.ts'
import { parsePolicy } from '../../../src/policy/parse-policy.ts'
import { PolicyError } from '../../../src/policy/problem.ts'
import { cpuMs } from '../../support/cpu-time.ts'

/** What is wrong with a file: `line:column message` of each problem. */
function problemsOf(file: string | Uint8Array): string[] {
  try {
    parsePolicy(typeof file === 'string' ? Buffer.from(file) : file)
    return []
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    return error.problems.map(({ place, message }) => `${place.line}:${place.column} ${message}`)
  }
}

const withRole = (...permissions: string[]): string =>
  `version: 1\nroles:\n  - name: r\n    permissions:\n${permissions.map((one) => `      - ${one}\n`).join('')}`
const withUser = (user: string): string => `version: 1\nusers:\n  - ${user}\n`
const withCase = (one: string): string =>
  `version: 1\nroles: [{name: r}]\nusers: [{name: u, login: password}]\ncases:\n  - ${one}\n`

test('a policy is read', () => {
  const { roles, users, groups, cases } = parsePolicy(
    Buffer.from(`
version: 1
comment: an example
roles:
  - {name: a, extends: [b], permissions: [{allow: [read], prefix: /a/, comment: x}, {allow: [write, read], from: b, to: c}]}
  - {name: b, permissions: [{allow: [read], key: "/wAB", encoding: base64}, {allow: [write], all: true}]}
users:
  - {name: ann, roles: [a, root, "leasehold:backup"], login: certificate}
groups:
  - {name: "oidc:g", roles: [b]}
cases:
  - {user: ann, verb: read, key: k, expect: allow}
  - {group: "oidc:g", verb: operate, expect: deny}
`),
  )
  assert.deepEqual([...roles.keys()], ['a', 'b'])
  assert.deepEqual(roles.get('a')?.extends, ['b'])
  assert.deepEqual(
    roles.get('b')?.grants.map(({ range, place }) => [Buffer.from(range.start).toString('hex'), place.line]),
    [
      ['ff0001', 6],
      ['00', 6],
    ],
  )
  assert.deepEqual(users.get('ann')?.roles, ['a', 'root', 'leasehold:backup'])
  assert.equal(users.get('ann')?.login, 'certificate')
  assert.deepEqual([...groups.keys()], ['oidc:g'])
  assert.deepEqual(
    cases.map(({ subject, verb, range, expect, place }) => [subject.name, verb, range?.isPoint, expect, place.line]),
    [
      ['ann', 'read', true, 'allow', 12],
      ['oidc:g', 'operate', undefined, 'deny', 13],
    ],
  )
})

test('a policy needs nothing but its version', () => assert.deepEqual(problemsOf('version: 1'), []))

for (const { name, file, want } of [
  // YAML.
  { name: 'nothing at all', file: '', want: ['1:1 the policy is not a list of keys and values'] },
  { name: 'not a mapping', file: '- 1\n', want: ['1:1 the policy is not a list of keys and values'] },
  { name: 'a key twice', file: 'version: 1\nroles: []\nroles: []\n', want: ['3:1 the key "roles" is there twice'] },
  {
    name: 'a key twice, further down',
    file: withRole('{allow: [read], key: a, key: b}'),
    want: ['5:33 the key "key" is there twice'],
  },
  {
    name: 'an alias',
    file: 'version: 1\nroles: &a []\nusers: *a\n',
    want: ['2:11 a policy has no anchors', '3:8 a policy has no aliases: write it out'],
  },
  { name: 'a circle of aliases', file: 'version: 1\nroles: &a [*a]\n', want: ['2:11 a policy has no anchors'] },
  { name: 'a merge', file: 'version: 1\n<<: {roles: []}\n', want: ['2:1 there is no "<<" in a policy'] },
  { name: 'a tag', file: 'version: !!int "1"\n', want: ['1:16 a policy has no tags'] },
  {
    name: 'a directive',
    file: '%YAML 1.1\n---\nversion: 1\n',
    want: ['1:1 a policy has no directives (lines that begin with %)'],
  },
  {
    name: 'two documents',
    file: 'version: 1\n---\nversion: 1\n',
    want: ['2:1 a policy is one document'],
  },
  { name: 'a key that is no word', file: 'version: 1\n? [a]\n: 1\n', want: ['2:3 a key is a word'] },
  { name: 'a key that is a number', file: 'version: 1\n1: 1\n', want: ['2:1 there is no "1" in a policy'] },
  { name: '__proto__', file: 'version: 1\n__proto__: {}\n', want: ['2:1 there is no "__proto__" in a policy'] },
  { name: 'not UTF-8', file: Buffer.from([0x76, 0xff]), want: ['1:1 the file is not UTF-8'] },
  {
    name: 'a control character',
    file: 'version: 1\ncomment: a\u001b[31m\n',
    want: ['2:11 the character "\\u001b" cannot be seen: write it as an escape in double quotes'],
  },
  {
    name: 'text that runs the other way',
    file: 'version: 1\ncomment: a\u202eb\n',
    want: ['2:11 the character "\\u{202e}" cannot be seen: write it as an escape in double quotes'],
  },
  {
    name: 'half a character in a name',
    file: withUser('{name: "a\\ud800", login: password}'),
    want: ['3:12 the text "a\\ud800" has half a character: write keys that are no text in base64'],
  },
  {
    name: 'half a character in a key',
    file: withRole('{allow: [read], prefix: "/\\udc00"}'),
    want: ['5:33 the text "/\\udc00" has half a character: write keys that are no text in base64'],
  },
  {
    name: 'too long',
    file: Buffer.alloc(limits.policyFileBytesMax + 1, ' '),
    want: [`1:1 a policy has at most ${limits.policyFileBytesMax} bytes`],
  },
  // Schema.
  { name: 'no version', file: 'roles: []\n', want: ['1:1 version is missing'] },
  { name: 'another version', file: 'version: 2\n', want: ['1:10 version can only be 1'] },
  { name: 'an unknown key', file: 'version: 1\nrole: []\n', want: ['2:1 there is no "role" in a policy'] },
  {
    name: 'an unknown key of a user',
    file: withUser('{name: u, login: password, password: secret}'),
    want: ['3:32 there is no "password" in entry 1 of users'],
  },
  { name: 'no name', file: withUser('{login: password}'), want: ['3:5 name is missing'] },
  { name: 'an empty name', file: withUser('{name: "", login: password}'), want: ['3:12 name is empty'] },
  { name: 'no login', file: withUser('{name: u}'), want: ['3:5 login is missing'] },
  {
    name: 'an unknown login',
    file: withUser('{name: u, login: magic}'),
    want: ['3:22 login can only be certificate or password'],
  },
  {
    name: 'a name that YAML takes for a number',
    file: withUser('{name: 007, login: password}'),
    want: ['3:12 name is not text: put it into quotes'],
  },
  {
    name: 'an unknown verb',
    file: withRole('{allow: [delete], key: a}'),
    want: ['5:18 entry 1 of allow can only be read or write'],
  },
  { name: 'no verb', file: withRole('{allow: [], key: a}'), want: ['5:17 allow is empty'] },
  // Names.
  {
    name: 'a name of 1 MiB',
    file: withUser(`{name: ${'x'.repeat(1000_000)}, login: password}`),
    want: ['3:12 the name of a user has at most 1024 bytes'],
  },
  {
    name: 'a role twice',
    file: 'version: 1\nroles:\n  - name: a\n  - name: a\n',
    want: ['4:11 the role "a" is there already, at line 3'],
  },
  {
    name: 'the role root',
    file: 'version: 1\nroles: [{name: root}]\n',
    want: ['2:16 the role "root" is built in, or could be: take another name'],
  },
  {
    name: 'a reserved role',
    file: 'version: 1\nroles: [{name: "leasehold:x"}]\n',
    want: ['2:16 the role "leasehold:x" is built in, or could be: take another name'],
  },
  {
    name: 'a role that nobody defines',
    file: withUser('{name: u, login: password, roles: [x, "leasehold:x"]}'),
    want: [
      '3:40 there is no role "x", neither in this policy nor built in',
      '3:43 there is no role "leasehold:x", neither in this policy nor built in',
    ],
  },
  {
    name: 'a role twice in a list',
    file: withUser('{name: u, login: password, roles: [root, root]}'),
    want: ['3:46 "root" is there twice'],
  },
  // Roles that extend others.
  {
    name: 'a role that extends itself',
    file: 'version: 1\nroles:\n  - {name: a, extends: [a]}\n',
    want: ['3:12 roles extend each other in a circle: "a", "a"'],
  },
  {
    name: 'a circle of roles',
    file: 'version: 1\nroles:\n  - {name: x, extends: [a]}\n  - {name: a, extends: [b]}\n  - {name: b, extends: [c]}\n  - {name: c, extends: [a]}\n',
    want: ['4:12 roles extend each other in a circle: "a", "b", "c", "a"'],
  },
  {
    name: 'a built-in role as a base',
    file: 'version: 1\nroles:\n  - {name: a, extends: [root, gone]}\n',
    want: [
      '3:25 the role "root" is built in, and can be given only to users and groups',
      '3:31 the role "gone" is not in this policy',
    ],
  },
  // Ranges.
  { name: 'no range', file: withRole('{allow: [read]}'), want: ['5:9 a range needs key, prefix, from or all'] },
  {
    name: 'two ranges',
    file: withRole('{allow: [read], key: a, prefix: b}'),
    want: ['5:25 a range has one of key, prefix, from, all, not key and prefix'],
  },
  {
    name: 'an inverted range',
    file: withRole('{allow: [read], from: b, to: a}'),
    want: ['5:25 to is not after from: there is no key in it'],
  },
  {
    name: 'an empty range',
    file: withRole('{allow: [read], from: b, to: b}'),
    want: ['5:25 to is not after from: there is no key in it'],
  },
  { name: 'an empty key', file: withRole('{allow: [read], key: ""}'), want: ['5:25 key is empty'] },
  {
    name: 'an empty prefix',
    file: withRole('{allow: [read], prefix: ""}'),
    want: ['5:25 prefix is empty: for all keys say all'],
  },
  {
    name: 'base64 that is none',
    file: withRole('{allow: [read], encoding: base64, key: "a b"}'),
    want: ['5:43 key is not base64'],
  },
  {
    name: 'one range twice',
    file: withRole('{allow: [read], prefix: a}', '{allow: [write], from: a, to: b}'),
    want: ['6:9 this range has a permission already in this role: give it both verbs there'],
  },
  {
    name: 'one verb twice',
    file: withRole('{allow: [read, read], prefix: a}'),
    want: ['5:24 "read" is there twice'],
  },
  // Cases.
  {
    name: 'a case of nobody',
    file: withCase('{verb: read, key: a, expect: deny}'),
    want: ['5:5 a case is about one user, one role or one group'],
  },
  {
    name: 'a case of two',
    file: withCase('{user: u, role: r, verb: read, key: a, expect: deny}'),
    want: ['5:5 a case is about one user, one role or one group'],
  },
  {
    name: 'a case of a user who is not there',
    file: withCase('{user: v, verb: read, key: a, expect: deny}'),
    want: ['5:12 there is no user "v" in this policy'],
  },
  {
    name: 'a case without keys',
    file: withCase('{user: u, verb: read, expect: deny}'),
    want: ['5:5 a range needs key, prefix, from or all'],
  },
  {
    name: 'a case with keys that mean nothing',
    file: withCase('{user: u, verb: audit, key: a, expect: deny}'),
    want: ['5:5 audit has no keys: only read and write have'],
  },
  {
    name: 'a case that expects something else',
    file: withCase('{user: u, verb: read, key: a, expect: maybe}'),
    want: ['5:43 expect can only be allow or deny'],
  },
] satisfies { name: string; file: string | Uint8Array; want: string[] }[]) {
  test(`refused: ${name}`, () => assert.deepEqual(problemsOf(file), want))
}

test('deep nesting, many keys and long chains of roles are refused or read in bounded time', () => {
  const began = cpuMs()
  for (const opening of ['[', '{a: ', '- ']) {
    const problems = problemsOf(opening.repeat(limits.policyFileBytesMax / 8))
    assert.ok(problems.length > 0 && problems.length <= 20)
    assert.match(problems[0]!, /nested too deeply/)
  }
  const keys = Array.from({ length: 60_000 }, (_, index) => `k${index}: 1\n`).join('')
  assert.match(problemsOf(keys)[0]!, /version is missing|there is no "k0"/)
  const chain = (end: string): string =>
    Array.from({ length: 9999 }, (_, index) => `- {name: r${index}, extends: [r${index + 1}]}\n`).join('') + end
  const long = problemsOf(`version: 1\nroles:\n${chain('- {name: r9999}\n')}`)
  assert.deepEqual(long, ['3:10 the role "r0" extends more than 99 others, all in all'])
  const [circle] = problemsOf(`version: 1\nroles:\n${chain('- {name: r9999, extends: [r0]}\n')}`)
  assert.match(circle!, /^3:10 roles extend each other in a circle/)
  const tooMany = problemsOf(`version: 1\nroles:\n${chain('- {name: r9999}\n- {name: x}\n')}`)
  assert.deepEqual(tooMany, ['3:1 roles has more than 10000 entries'])
  assert.ok(cpuMs() - began < 60_000)
})

test('what a file is laid out to is bounded, and looked through in bounded time', () => {
  const base = (grants: number): string =>
    `version: 1\nroles:\n- name: b\n  permissions:\n${Array.from({ length: grants }, (_, at) => `  - {allow: [read], key: k${at}}\n`).join('')}`
  const many = (count: number, row: (at: number) => string): string =>
    Array.from({ length: count }, (_, at) => row(at)).join('')
  assert.deepEqual(problemsOf(base(1000) + many(100, (at) => `- {name: r${at}, extends: [b]}\n`)), [
    '1104:10 the roles have more than 100000 permissions, with those that they extend',
  ])
  const users = many(101, (at) => `- {name: u${at}, login: password, roles: [b]}\n`)
  assert.deepEqual(problemsOf(`${base(9900)}users:\n${users}`), [])
  assert.deepEqual(problemsOf(`${base(10_000)}users:\n${users}`), [
    '10106:10 users and groups have more than 1000000 permissions by their roles, all in all',
  ])
  const began = cpuMs()
  const shared =
    `version: 1\nroles:\n${many(7000, (at) => `- {name: r${at}, permissions: [{allow: [write], all: true}]}\n`)}` +
    `users:\n${many(7000, (at) => `- {name: u${at}, roles: [r${at}], login: password}\n`)}`
  assert.ok(checkPolicy(parsePolicy(Buffer.from(shared))).some(({ name }) => name === 'all-keys-to-many'))
  const roles = Array.from({ length: 64 }, (_, at) => `r${at}`)
  const wide =
    `version: 1\nroles:\n${roles.map((name) => `- name: ${name}\n  permissions:\n${many(60, (at) => `  - {allow: [read], key: ${name}k${at}}\n`)}`).join('')}` +
    `users:\n${many(250, (at) => `- {name: u${at}, roles: [${roles.join(', ')}], login: password}\n`)}`
  checkPolicy(parsePolicy(Buffer.from(wide)))
  assert.ok(cpuMs() - began < 30_000)
})

test('whatever is done to a policy, it is read or refused, never anything else', () => {
  const good = Buffer.from(
    withRole('{allow: [read, write], prefix: /app/}') + withUser('{name: u, login: password, roles: [r]}').slice(11),
  )
  assert.deepEqual(problemsOf(good), [])
  const scraps = [
    '&a ',
    '*a',
    '!!str ',
    '? ',
    '- ',
    '{',
    '}',
    '[',
    ']',
    ':',
    '#',
    '"',
    "'",
    '|\n',
    '>\n',
    '%',
    '---\n',
    '\t',
    '\u0000',
    '~',
    '<<: ',
  ]
  const edits = fc.array(
    fc.record({
      at: fc.nat(good.length),
      deleted: fc.nat(3),
      inserted: fc.oneof(fc.constantFrom(...scraps), fc.string({ maxLength: 3 })).map((text) => Buffer.from(text)),
    }),
    { minLength: 1, maxLength: 5 },
  )
  let refused = 0
  fc.assert(
    fc.property(edits, (all) => {
      let file = good
      for (const { at, deleted, inserted } of all) {
        file = Buffer.concat([file.subarray(0, at), inserted, file.subarray(at + deleted)])
      }
      if (problemsOf(file).length > 0) refused++
    }),
    { numRuns: 3000 },
  )
  assert.ok(refused > 1000)
})
