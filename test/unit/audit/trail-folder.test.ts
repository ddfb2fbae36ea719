import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileName } from '../../../src/audit/seal.ts'
import { NoTrailFileError, openTrailFolder, publicKeyFile, readTrailFolder } from '../../../src/audit/trail-folder.ts'
import { verifyTrail } from '../../../src/audit/verify.ts'
import { trailKeys } from '../../support/memory-trail.ts'

const all = mkdtempSync(join(tmpdir(), 'leasehold-trail-'))
after(() => rmSync(all, { recursive: true }))
const newDir = (): string => mkdtempSync(join(all, 'trail-'))

test('a pipe or a folder with the name of a file is neither waited for nor read', () => {
  const dir = newDir()
  const folder = readTrailFolder(dir)
  execFileSync('mkfifo', [join(dir, fileName(1))])
  assert.throws(() => folder.read(1), NoTrailFileError)
  assert.throws(() => folder.read(1, 10), NoTrailFileError)
  assert.deepEqual(verifyTrail(folder, trailKeys).damage, {
    file: fileName(1),
    line: 0,
    what: 'is no regular file',
  })
  mkdirSync(join(dir, fileName(2)))
  assert.throws(() => folder.read(2), NoTrailFileError)
})

test('the public key is in the folder, whatever was in its place', { timeout: 10_000 }, () => {
  for (const make of [
    () => {},
    (path: string) => writeFileSync(path, 'half of a k', { mode: 0o644 }),
    (path: string) => void execFileSync('mkfifo', [path]),
  ]) {
    const dir = newDir()
    const path = join(dir, publicKeyFile)
    make(path)
    openTrailFolder(dir, 'the key')
    assert.equal(readFileSync(path, 'utf8'), 'the key')
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.deepEqual(readdirSync(dir), [publicKeyFile])
  }
})

test('a file that is removed, renamed or replaced while it is open is no longer there', () => {
  const dir = newDir()
  const folder = readTrailFolder(dir)
  const path = (file: number): string => join(dir, fileName(file))
  const opened = (file: number) => {
    const made = folder.open(file, 'create')
    made.write(Buffer.from('some lines\n'), 0)
    assert.equal(made.isThere(), true)
    return made
  }
  const removed = opened(1)
  unlinkSync(path(1))
  assert.equal(removed.isThere(), false)
  const replaced = opened(2)
  renameSync(path(2), join(dir, 'elsewhere'))
  assert.equal(replaced.isThere(), false)
  writeFileSync(path(2), 'others\n')
  assert.equal(replaced.isThere(), false)
  unlinkSync(path(2))
  symlinkSync('elsewhere', path(2))
  assert.equal(replaced.isThere(), false)
  for (const file of [removed, replaced]) file.close()
})
