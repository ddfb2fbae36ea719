import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createWholeFile, isDraft, replaceOwnFile, replaceWholeFile } from '../../../src/files/whole-file.ts'

const all = mkdtempSync(join(tmpdir(), 'leasehold-whole-file-'))
after(() => rmSync(all, { recursive: true }))
const newDir = (): string => mkdtempSync(join(all, 'dir-'))
const modeOf = (file: string): number => statSync(file).mode & 0o777
const isRoot = process.geteuid?.() === 0

const writers = {
  createWholeFile,
  replaceWholeFile,
  replaceOwnFile: (file: string, content: string) => replaceOwnFile(file, content),
}
for (const [name, write] of Object.entries(writers))
  test(`${name}: a new file has all of its content, is for its owner only, and alone in its folder`, async () => {
    for (const content of ['', 'some text\n', 'x'.repeat(5_000_000)]) {
      const dir = newDir()
      await write(join(dir, 'file'), content)
      assert.equal(readFileSync(join(dir, 'file'), 'utf8'), content)
      assert.equal(modeOf(join(dir, 'file')), 0o600)
      assert.deepEqual(readdirSync(dir), ['file'])
    }
  })

for (const [name, make] of Object.entries({
  'a file': (path: string) => writeFileSync(path, 'before'),
  'a link': (path: string) => symlinkSync('elsewhere', path),
  'a folder': (path: string) => mkdirSync(path),
  'a pipe': (path: string) => execFileSync('mkfifo', [path]),
}))
  test(`a new file does not take the place of ${name}`, { timeout: 10_000 }, () => {
    const dir = newDir()
    make(join(dir, 'file'))
    const { ino } = lstatSync(join(dir, 'file'))
    assert.throws(() => createWholeFile(join(dir, 'file'), 'after'), { code: 'EEXIST' })
    assert.equal(lstatSync(join(dir, 'file')).ino, ino)
    assert.deepEqual(readdirSync(dir), ['file'])
  })

test('who reads a file that is replaced finds the old one or the new one', async () => {
  for (const replace of [replaceWholeFile, replaceOwnFile]) {
    const dir = newDir()
    writeFileSync(join(dir, 'file'), 'before')
    // Whoever has it open goes on with this.
    linkSync(join(dir, 'file'), join(dir, 'open'))
    await replace(join(dir, 'file'), 'after')
    assert.equal(readFileSync(join(dir, 'file'), 'utf8'), 'after')
    assert.equal(readFileSync(join(dir, 'open'), 'utf8'), 'before')
    assert.deepEqual(readdirSync(dir).sort(), ['file', 'open'])
  }
})

test('mode and owner of what is replaced stay, and so does a link to it', () => {
  const [dir, other] = [newDir(), newDir()]
  const [link, target] = [join(dir, 'link'), join(other, 'target')]
  writeFileSync(target, 'before')
  chmodSync(target, 0o640)
  if (isRoot) chownSync(target, 1234, 2345)
  symlinkSync(target, link)
  replaceWholeFile(link, 'after', 0o644)
  assert.ok(lstatSync(link).isSymbolicLink())
  assert.equal(readFileSync(target, 'utf8'), 'after')
  assert.equal(modeOf(target), 0o640)
  if (isRoot) assert.deepEqual([statSync(target).uid, statSync(target).gid], [1234, 2345])
  assert.deepEqual([...readdirSync(dir), ...readdirSync(other)], ['link', 'target'])
})

test('a mode is for a file that was not there, and what a link that leads nowhere names is not made', () => {
  const dir = newDir()
  symlinkSync(join(dir, 'elsewhere'), join(dir, 'file'))
  replaceWholeFile(join(dir, 'file'), 'text', 0o644)
  assert.equal(modeOf(join(dir, 'file')), 0o644 & ~process.umask())
  assert.ok(!existsSync(join(dir, 'elsewhere')))
})

test('a pipe is replaced and not waited for', { timeout: 10_000 }, () => {
  const dir = newDir()
  execFileSync('mkfifo', [join(dir, 'file')])
  replaceWholeFile(join(dir, 'file'), 'text')
  assert.ok(statSync(join(dir, 'file')).isFile())
})

test('what fails leaves everything as it was, and no draft', async () => {
  const dir = newDir()
  mkdirSync(join(dir, 'file', 'inside'), { recursive: true })
  assert.throws(() => replaceWholeFile(join(dir, 'file'), 'text'), { code: 'EISDIR' })
  assert.deepEqual(readdirSync(dir), ['file'])
  for (const write of Object.values(writers))
    await assert.rejects(async () => write(join(dir, 'missing', 'file'), 'text'), { code: 'ENOENT' })
})

test('of processes that are killed a draft may stay, which is known by its name', { timeout: 60_000 }, async () => {
  const dir = newDir()
  const module = new URL('../../../src/files/whole-file.ts', import.meta.url)
  const script = `import { replaceWholeFile } from ${JSON.stringify(module.href)}
    const content = new Uint8Array(1000)
    for (let i = 0; ; i++) replaceWholeFile(process.argv[1], content.fill(i))`
  for (let round = 0; round < 5; round++) {
    const args = ['--input-type=module-typescript', '--eval', script, join(dir, 'file')]
    assert.throws(() => execFileSync(process.execPath, args, { timeout: 400 + round * 37, killSignal: 'SIGKILL' }))
    if (!existsSync(join(dir, 'file'))) continue
    const content = readFileSync(join(dir, 'file'))
    assert.equal(content.length, 1000)
    assert.ok(content.every((byte) => byte === content[0]))
  }
  assert.deepEqual(
    readdirSync(dir).filter((name) => name !== 'file' && !isDraft(name)),
    [],
  )
  for (const name of ['file', '.file', 'file.0123456789ab', '.file.tmp', '.file.0123456789abc'])
    assert.ok(!isDraft(name), name)
  assert.ok(isDraft('.file.0123456789ab'))
})

test('a draft that an earlier process left is written over, where one writes at a time', async () => {
  const dir = newDir()
  writeFileSync(join(dir, 'file.tmp'), 'longer than what comes')
  await replaceOwnFile(join(dir, 'file'), 'text')
  assert.deepEqual(readdirSync(dir), ['file'])
  assert.equal(readFileSync(join(dir, 'file'), 'utf8'), 'text')
})
