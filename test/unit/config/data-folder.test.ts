import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { preparePrivateFolder } from '../../../src/config/data-folder.ts'

const scratch = mkdtempSync(join(tmpdir(), 'leasehold-folder-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

const modeOf = (path: string): number => statSync(path).mode & 0o777

function folder(name: string, mode: number, files: readonly string[] = []): string {
  const path = join(scratch, name)
  mkdirSync(path)
  for (const file of files) writeFileSync(join(path, file), '')
  chmodSync(path, mode)
  return path
}

test('a missing folder is made, with its parents, for its owner only', () => {
  const path = join(scratch, 'a', 'b')
  preparePrivateFolder('data-dir', path)
  assert.equal(modeOf(path), 0o700)
})

test('an empty folder is tightened', () => {
  const path = folder('empty', 0o755)
  preparePrivateFolder('data-dir', path)
  assert.equal(modeOf(path), 0o700)
})

for (const mode of [0o755, 0o750, 0o701])
  test(`a folder with files and mode ${mode.toString(8)} is refused and left as it is`, () => {
    const path = folder(`open-${mode.toString(8)}`, mode, ['wal'])
    assert.throws(() => preparePrivateFolder('data-dir', path), {
      name: 'ConfigError',
      message: `--data-dir: ${path} has mode ${mode.toString(8)}: other users may read it; check what they saw, then chmod 700 it`,
    })
    assert.equal(modeOf(path), mode)
  })

test('a folder with files that is private is used', () => {
  preparePrivateFolder('data-dir', folder('private', 0o700, ['wal']))
})

test('a file in its place is refused', () => {
  const path = join(scratch, 'file')
  writeFileSync(path, '')
  assert.throws(() => preparePrivateFolder('wal-dir', path), { message: `--wal-dir: ${path} is not a folder` })
  assert.throws(() => preparePrivateFolder('wal-dir', join(path, 'x')), /--wal-dir: .*not a folder/)
})

for (const { name, path, reason } of [
  { name: 'where no folder can be', path: '/proc/leasehold/data', reason: 'cannot be made there' },
  { name: 'behind a link that leads nowhere', path: join(scratch, 'dangling'), reason: 'is a link that leads nowhere' },
])
  test(`a folder ${name} is refused`, () => {
    if (name.includes('link')) symlinkSync(join(scratch, 'nowhere', 'x'), path)
    assert.throws(() => preparePrivateFolder('data-dir', path), { message: `--data-dir: ${path}: ${reason}` })
  })

test('a folder of another user is refused', { skip: process.geteuid?.() !== 0 && 'only root can give it away' }, () => {
  const path = folder('foreign', 0o700, ['wal'])
  chownSync(path, 65534, 65534)
  assert.throws(() => preparePrivateFolder('data-dir', path), {
    message: `--data-dir: ${path} belongs to another user (id 65534), who may read it; chown it`,
  })
})
