import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { lockFolder } from '../../../src/storage/folder-lock.ts'

const scratch = mkdtempSync(join(tmpdir(), 'leasehold-lock-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

test('a folder is one process alone until it lets go', () => {
  const unlock = lockFolder(scratch, 'lock')
  assert.throws(() => lockFolder(scratch, 'lock'), { message: `${scratch} is in use by another process` })
  unlock()
  lockFolder(scratch, 'lock')()
})

test('another name of the folder is the same folder', () => {
  const alias = `${scratch}-alias`
  symlinkSync(scratch, alias)
  after(() => rmSync(alias))
  const unlock = lockFolder(scratch, 'lock')
  assert.throws(() => lockFolder(alias, 'lock'), { message: `${alias} is in use by another process` })
  unlock()
})

test('the lock is an empty file for its owner only', () => {
  lockFolder(scratch, 'private')()
  const { mode, size } = statSync(join(scratch, 'private'))
  assert.equal(mode & 0o777, 0o600)
  assert.equal(size, 0)
})
