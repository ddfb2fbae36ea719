import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isEmptyRange, rangeFromWire } from '../../../src/base/key-range.ts'
import { differenceOf, differenceText } from '../../../src/policy/diff.ts'
import { exportPolicy } from '../../../src/policy/export-policy.ts'
import { rangeName, rangeOfPermission } from '../../../src/policy/grants.ts'
import { parsePolicy } from '../../../src/policy/parse-policy.ts'
import { type Rules, rulesOfCluster, rulesOfPolicy } from '../../../src/policy/rules.ts'
import type { Permission, Permission_Type } from '../../../src/wire/gen/auth.ts'

const keys = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 3 }),
  fc.constantFrom('a', '/app/', 'b', 'é', '\u0000', ' ', '#').map((text) => Uint8Array.from(Buffer.from(text))),
  fc.constantFrom(Uint8Array.of(0), Uint8Array.of(255), Uint8Array.of(255, 255), Uint8Array.of(0x61, 255)),
)
const permissions: fc.Arbitrary<Permission> = fc
  .record({
    permType: fc.constantFrom(0, 1, 2) as fc.Arbitrary<Permission_Type>,
    key: keys,
    range_end: fc.oneof(keys, fc.constantFrom(new Uint8Array(0), Uint8Array.of(0))),
  })
  .filter(({ key, range_end }) => !isEmptyRange(rangeFromWire(key, range_end)))
// Names as a cluster may have them: it takes any text.
const names = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
    fc.constantFrom(
      'null',
      '1',
      '~',
      'yes',
      '- a',
      'a: b',
      '#',
      "it's",
      '"',
      '../..',
      'a\nb',
      '\u001b[2J',
      '\u202e',
      '<<',
      '&a',
      '*a',
    ),
  )
  .filter((name) => !name.startsWith('leasehold:') && name !== 'root' && Buffer.from(name).toString() === name)

const someRules: fc.Arbitrary<Rules> = fc
  .uniqueArray(
    fc.record({
      name: names,
      permissions: fc.uniqueArray(permissions, { maxLength: 5, selector: (one) => rangeName(rangeOfPermission(one)) }),
    }),
    { maxLength: 5, selector: ({ name }) => name },
  )
  .chain((roles) => {
    const held = fc.subarray([...roles.map(({ name }) => name), 'root', 'leasehold:backup'])
    return fc.record({
      roles: fc.constant(roles),
      users: fc.uniqueArray(fc.record({ name: names, roles: held, no_password: fc.boolean() }), {
        maxLength: 4,
        selector: ({ name }) => name,
      }),
      groups: fc.uniqueArray(fc.record({ name: names, roles: held }), { maxLength: 3, selector: ({ name }) => name }),
    })
  })
  .map((rules) => rulesOfCluster(rules))

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const plain = ({ roles, users, groups }: Rules): object => ({
  ...{ users, groups },
  roles: roles.map(({ name, permissions: granted }) => ({
    name,
    permissions: granted.map(({ permType, key, range_end }) => `${permType} ${hex(key)} ${hex(range_end)}`),
  })),
})

test('what is exported is read as the same rules, and exported as the same bytes', () => {
  fc.assert(
    fc.property(someRules, (rules) => {
      const file = exportPolicy(rules)
      const read = rulesOfPolicy(parsePolicy(Buffer.from(file)))
      assert.deepEqual(plain(read), plain(rules))
      assert.equal(exportPolicy(read), file)
      const { changes, kept } = differenceOf(rules, read, { revision: 1n, prune: true })
      assert.deepEqual({ changes, kept }, { changes: [], kept: [] })
    }),
    { numRuns: 500 },
  )
})

/** What a member makes of a request: rows take the place of those of the same name. */
function applied(before: Rules, { request }: ReturnType<typeof differenceOf>): Rules {
  const rows = <T extends { readonly name: string }>(
    had: readonly T[],
    put: readonly T[],
    deleted: readonly string[],
  ) => [...had.filter(({ name }) => !deleted.includes(name) && !put.some((row) => row.name === name)), ...put]
  return rulesOfCluster({
    roles: rows(before.roles, request.put_roles, request.delete_roles),
    users: rows(before.users, request.put_users, request.delete_users),
    groups: rows(before.groups, request.put_groups, request.delete_groups),
  })
}

test('a difference leads from one state to the other, and says so: with pruning to nothing but what was wanted', () => {
  fc.assert(
    fc.property(someRules, someRules, fc.boolean(), (before, wanted, prune) => {
      const difference = differenceOf(before, wanted, { revision: 7n, prune })
      assert.equal(difference.request.expected_auth_revision, 7n)
      const after = applied(before, difference)
      assert.deepEqual(plain(after), plain(rulesOfCluster(difference.after)))
      if (prune) assert.deepEqual(plain(after), plain(wanted))
      const again = differenceOf(after, wanted, { revision: 8n, prune })
      assert.equal(differenceText(again), '')
      assert.equal(difference.kept.length, again.kept.length)
      // Nothing that the terminal would take for more than text.
      assert.doesNotMatch(differenceText(difference), /[^\P{Cc}\n]|[\u202a-\u202e]/u)
    }),
    { numRuns: 500 },
  )
})

test('a difference in words', () => {
  const rulesOf = (text: string): Rules => rulesOfPolicy(parsePolicy(Buffer.from(text)))
  const before = rulesOf(`
version: 1
roles: [{name: app, permissions: [{allow: [read], prefix: /app/}, {allow: [read], key: a}]}, {name: old}]
users: [{name: ann, roles: [app, old], login: password}, {name: eve, login: certificate}]
groups: [{name: g, roles: [app]}]
`)
  const wanted = rulesOf(`
version: 1
roles: [{name: app, permissions: [{allow: [read, write], prefix: /app/}, {allow: [read], key: a}]}, {name: new}]
users: [{name: ann, roles: [app, new], login: certificate}, {name: bob, roles: [new], login: password}]
`)
  assert.equal(
    differenceText(differenceOf(before, wanted, { revision: 1n, prune: true })),
    `\
~ role "app"
    - read prefix "/app/"
    + read, write prefix "/app/"
+ role "new"
- role "old"
~ user "ann"
    - login password
    + login certificate
    - role "old"
    + role "new"
+ user "bob"
    + login password
    + role "new"
- user "eve"
- group "g"
`,
  )
  const { kept } = differenceOf(before, wanted, { revision: 1n, prune: false })
  assert.deepEqual(
    kept.map(({ kind, name }) => `${kind} ${name}`),
    ['role old', 'user eve', 'group g'],
  )
})

test('names and keys that begin alike are told apart in words', () => {
  const rulesOf = (name: string, key: string): Rules =>
    rulesOfPolicy(
      parsePolicy(Buffer.from(`{version: 1, roles: [{name: ${name}, permissions: [{allow: [read], key: ${key}}]}]}`)),
    )
  const long = (length: number, end: string): string => `${'x'.repeat(length)}${end}`
  const text = differenceText(
    differenceOf(rulesOf(long(1023, 'a'), long(500, 'a')), rulesOf(long(1023, 'b'), long(2000, 'b')), {
      revision: 1n,
      prune: true,
    }),
  )
  assert.equal(
    text,
    [
      `+ role "${long(1023, 'b')}"`,
      `    + read key "${long(1024, '…')}" (2001 characters)`,
      `- role "${long(1023, 'a')}"`,
      '',
    ].join('\n'),
  )
})
