import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { leasehold, projectRoot, run } from '../../support/run.ts'

const teams = join(projectRoot, 'policies/teams.yaml')

for (const { args, code = 2, want } of [
  { args: ['--prefix', 'root', 'read', ''], code: 0, want: /^allowed: user "root" read all keys\n/ },
  { args: ['--from-key', 'orders-service', 'read', ''], want: /^denied: .*read all keys\n[\s\S]*nothing grants read/ },
  { args: ['nobody', 'read', 'k'], want: /\n {2}there is no such user\n/ },
  { args: ['--group', 'nobody', 'audit'], want: /\n {2}there is no such group\n/ },
  { args: ['--role', 'nobody', 'read', 'k'], want: /\n {2}there is no such role\n/ },
  { args: ['--role', 'leasehold:auditor', 'audit'], code: 0, want: /^allowed: role "leasehold:auditor" audit\n/ },
]) {
  test(`explain ${args.join(' ')}`, async () => {
    const options = args.filter((arg) => arg.startsWith('--'))
    const words = args.filter((arg) => !arg.startsWith('--'))
    const ran = await run(leasehold, ['policy', 'explain', ...options, teams, ...words])
    assert.equal(ran.code, code, ran.stderr)
    assert.match(ran.stdout, want)
  })
}

for (const { name, args, want } of [
  { name: 'a folder', args: ['check', projectRoot], want: `${projectRoot}: EISDIR` },
  { name: 'no file', args: ['test', '/no/such/file'], want: "no such file or directory, open '/no/such/file'" },
  { name: 'one key without a name', args: ['explain', teams, 'root', 'read', ''], want: 'key is empty' },
]) {
  test(`refused, by its name: ${name}`, async () => {
    const { code, stderr } = await run(leasehold, ['policy', ...args])
    assert.equal(code, 1)
    assert.ok(stderr.includes(want), stderr)
  })
}

test('help says nothing of empty lists', async () => {
  const { stdout } = await run(leasehold, ['policy', 'apply', '--help'])
  assert.match(stdout, /--accept <finding>/)
  assert.doesNotMatch(stdout, /\[\]/)
})
