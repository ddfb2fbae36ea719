import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { lockFile } from '../../../src/files/lock-file.ts'

const dir = mkdtempSync(join(tmpdir(), 'leasehold-lock-file-'))
after(() => rmSync(dir, { recursive: true }))
const at = (name: string): string => join(dir, name)

test('a lock has one owner, until that lets go', () => {
  const unlock = lockFile(at('lock'), 0)
  assert.ok(unlock !== null)
  const beganMs = performance.now()
  assert.equal(lockFile(at('lock'), 100), null)
  assert.ok(performance.now() - beganMs > 90)
  unlock()
  lockFile(at('lock'), 0)!()
  const { mode, size } = statSync(at('lock'))
  assert.deepEqual([mode & 0o777, size], [0o600, 0])
})

test('no pipe is waited for, no link followed', { timeout: 10_000 }, () => {
  execFileSync('mkfifo', [at('pipe')])
  assert.throws(() => lockFile(at('pipe'), 0), { code: 'ENXIO' })
  symlinkSync(at('elsewhere'), at('link'))
  assert.throws(() => lockFile(at('link'), 0), { code: 'ELOOP' })
  assert.ok(!existsSync(at('elsewhere')))
})
