/** That each known advisory has tests, and that what they rest on is so. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { flagsByName } from '../../src/config/flag-table.ts'
import { knownAdvisories } from '../support/advisories.ts'

const root = new URL('../../', import.meta.url)
const textOf = (file: string): string => readFileSync(new URL(file, root), 'utf8')

for (const { id, tests } of knownAdvisories)
  test(`${id}: its tests are there`, () => {
    assert.ok(tests.length > 0)
    for (const [file, ...titles] of tests) {
      assert.ok(existsSync(new URL(file, root)), file)
      assert.ok(titles.length > 0)
      for (const title of titles) assert.ok(textOf(file).includes(title), `${file} has no test ${title}`)
    }
  })

test('no advisory is listed twice', () => {
  const ids = knownAdvisories.flatMap(({ id }) => id.split(', '))
  assert.deepEqual([...new Set(ids)], ids)
})

test('every test that is named after an advisory is listed', () => {
  const named = textOf('test/e2e/advisories.test.ts').matchAll(/test\('((?:CVE|GHSA|TOB|#)[^:]*): /g)
  const listed = knownAdvisories.flatMap(({ tests }) => tests.flatMap(([, ...titles]) => titles))
  for (const [, name = ''] of named)
    assert.ok(
      listed.some((title) => title.startsWith(name)),
      name,
    )
})

test('certificates are verified wherever TLS is spoken', () => {
  const files = readdirSync(new URL('src/', root), { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  )
  const careless = files.filter((file) =>
    /rejectUnauthorized: false|NODE_TLS_REJECT|checkServerIdentity: \(\) =>/.test(textOf(`src/${file}`)),
  )
  assert.deepEqual(careless, [])
})

// These two change when a quota, and changes of members, are built: their advisories need tests of their own then.
test('there is no quota that could be looked at too early, or not everywhere', () => {
  assert.equal(flagsByName.get('quota-backend-bytes')?.status, 'known')
})
test('members cannot be changed by clients', () => {
  const table = textOf('src/grpc/methods.ts')
  for (const method of ['MemberAdd', 'MemberUpdate', 'MemberPromote'])
    assert.match(table, new RegExp(`${method}: \\{ kind: 'notBuilt'`))
})
