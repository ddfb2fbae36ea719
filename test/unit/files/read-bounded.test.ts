import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readBounded, readingProblem } from '../../../src/files/read-bounded.ts'
import { leasehold, run } from '../../support/run.ts'

const dir = mkdtempSync(join(tmpdir(), 'leasehold-read-'))
after(() => rmSync(dir, { recursive: true }))
const at = (name: string): string => join(dir, name)

test('a file is read whole up to the limit, and not beyond', () => {
  for (const size of [0, 1, 65_535, 65_536, 200_000]) {
    writeFileSync(at('file'), 'x'.repeat(size))
    for (const kinds of ['regular', 'any'] as const) {
      assert.equal(readBounded(at('file'), size, kinds).length, size)
      if (size > 0) assert.throws(() => readBounded(at('file'), size - 1, kinds), /has more than/)
    }
  }
})

test('a device has no end, a pipe without a writer is not waited for, and a folder is no file', () => {
  execFileSync('mkfifo', [at('pipe')])
  assert.throws(() => readBounded('/dev/zero', 1000, 'any'), /has more than 1000 bytes/)
  for (const path of ['/dev/zero', at('pipe'), dir])
    assert.throws(() => readBounded(path, 1000, 'regular'), { message: 'is no regular file' })
  assert.throws(
    () => readBounded(dir, 1000, 'any'),
    (error: unknown) => readingProblem(error) === 'EISDIR',
  )
})

test('a pipe is read to its end', () => {
  execFileSync('mkfifo', [at('written')])
  spawn('sh', ['-c', `(echo one; sleep 0.2; echo two) > ${at('written')}`])
  assert.equal(readBounded(at('written'), 1000, 'any').toString(), 'one\ntwo\n')
})

const commands: readonly (readonly string[])[] = [
  ['serve', '--config-file=/dev/zero'],
  ['token', 'inspect', '/dev/zero'],
  ['token', 'inspect', '-'],
  ['token', 'whoami', '--token-file', '/dev/zero'],
  ['token', 'whoami', '--cacert', '/dev/zero'],
  ['token', 'keys', 'list', '--keys', '/dev/zero'],
  ['token', 'keys', 'add', '/dev/zero', '--keys', '/nowhere'],
  ['token', 'issue', '--scope', '@/dev/zero'],
  ['policy', 'check', '/dev/zero'],
  ['audit', 'verify', dir, '--public-key', '/dev/zero'],
  ['pki', 'init', '--dir', at('pki'), '--passphrase-file', '/dev/zero'],
]
for (const args of commands)
  test(`leasehold ${args.slice(0, 3).join(' ')} reads no file without end`, { timeout: 60_000 }, async () => {
    const { code, stderr } = await run('sh', ['-c', '"$0" "$@" < /dev/zero', leasehold, ...args])
    assert.equal(code, 1)
    assert.match(stderr, /^\S.*\n$/)
  })
