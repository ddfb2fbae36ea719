import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leasehold, run } from '../../support/run.ts'

/** Of each role there is something to say. */
const roles = 3000
const policy = `version: 1\nroles:\n${Array.from({ length: roles }, (_, at) => `- name: role${at}\n`).join('')}`
const check = `${leasehold} policy check`

test('what a command prints into a pipe arrives, however slowly it is read', { timeout: 60_000 }, async () => {
  const { code, stdout, stderr } = await run('sh', ['-c', `${check} - | (sleep 1; cat)`], { input: policy })
  assert.equal(code, 0, stderr)
  assert.ok(stdout.length > 256 * 1024)
  assert.equal(stdout.split('\n').length, roles * 2 + 3)
  assert.match(stdout, /errors: 0, warnings: \d+\n$/)
})

test('so does what it says of errors, with its last line', { timeout: 60_000 }, async () => {
  const group = (at: number): string => `- {name: g${at}, roles: [root]}\n`
  const input = `version: 1\ngroups:\n${Array.from({ length: roles }, (_, at) => group(at)).join('')}`
  const { stdout } = await run('sh', ['-c', `${leasehold} policy apply - 2>&1 >/dev/null | (sleep 1; cat)`], { input })
  assert.ok(stdout.length > 128 * 1024)
  assert.match(stdout, /nothing was applied; if it is meant: --accept root-to-group\n$/)
})

test('a reader that goes does not matter, a full disk does', { timeout: 60_000 }, async () => {
  const [left, full] = await Promise.all([
    run('sh', ['-c', `(${check} -; echo "ended with $?" >&2) | head -n 1`], { input: policy }),
    run('sh', ['-c', `${check} - > /dev/full`], { input: policy }),
  ])
  assert.equal(left.stderr, 'ended with 0\n')
  assert.deepEqual([full.code, full.stderr], [1, 'leasehold policy: ENOSPC: no space left on device, write\n'])
})
