/** The policies that the package comes with. */
import assert from 'node:assert/strict'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkPolicy } from '../../../src/policy/check-policy.ts'
import { parsePolicy } from '../../../src/policy/parse-policy.ts'
import { rulesOfPolicy } from '../../../src/policy/rules.ts'
import { questionText, runCases } from '../../../src/policy/run-cases.ts'
import { policyJsonSchema } from '../../../src/policy/schema.ts'
import { projectRoot } from '../../support/run.ts'

const folder = join(projectRoot, 'policies')
const files = globSync('*.yaml', { cwd: folder }).sort()

test('there are policies to start from, and the README names each', () => {
  assert.ok(files.length >= 6)
  const readme = readFileSync(join(folder, 'README.md'), 'utf8')
  assert.deepEqual(
    files.filter((file) => !readme.includes(`\`${file}\``)),
    [],
  )
})

for (const file of files) {
  const policy = parsePolicy(readFileSync(join(folder, file)))
  test(`${file}: nothing to find, and its cases pass`, () => {
    assert.deepEqual(checkPolicy(policy), [])
    assert.deepEqual(
      runCases(policy)
        .filter(({ passed }) => !passed)
        .map((failed) => questionText(failed.case)),
      [],
    )
  })
  test(`${file}: has cases of both kinds, and something of every user and group`, () => {
    assert.deepEqual(new Set(policy.cases.map((one) => one.expect)), new Set(['allow', 'deny']))
    const spokenOf = new Set(policy.cases.map(({ subject }) => `${subject.kind} ${subject.name}`))
    const { users, groups } = rulesOfPolicy(policy)
    const all = [...users.map(({ name }) => `user ${name}`), ...groups.map(({ name }) => `group ${name}`)]
    assert.deepEqual(
      all.filter((one) => one !== 'user root' && !spokenOf.has(one)),
      [],
    )
  })
}

test('the schema for editors is that of the program', () => {
  const path = join(folder, 'policy.schema.json')
  const schema = `${JSON.stringify(policyJsonSchema(), null, 2)}\n`
  if (process.env.REWRITE === '1') writeFileSync(path, schema)
  assert.equal(readFileSync(path, 'utf8'), schema)
})
