import { pbkdf2 } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { watchFiles } from '../../../src/security/file-watch.ts'
import { within } from '../../support/within.ts'

const dir = mkdtempSync(join(tmpdir(), 'leasehold-file-watch-'))
after(() => rmSync(dir, { recursive: true }))

test('what changes as soon as a watch has begun is noticed, however busy the threads are that look at files', async () => {
  const file = join(dir, 'file')
  writeFileSync(file, 'before')
  const working = Array.from({ length: 8 }, () => promisify(pbkdf2)('a', 'b', 100_000, 32, 'sha256'))
  const changed = Promise.withResolvers<void>()
  const watch = watchFiles([file], 5, changed.resolve)
  try {
    writeFileSync(file, 'afterwards')
    await within('the change is noticed', changed.promise)
  } finally {
    watch.stop()
    await Promise.all(working)
  }
})
