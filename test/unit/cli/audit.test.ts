import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileName } from '../../../src/audit/seal.ts'
import { verificationKeys } from '../../../src/audit/signing-key.ts'
import { openTrailFolder } from '../../../src/audit/trail-folder.ts'
import { verifyTrail } from '../../../src/audit/verify.ts'
import { settledVerdict } from '../../../src/cli/settled-verdict.ts'
import { batchOf, openTrail, trailKey } from '../../support/memory-trail.ts'
import { leasehold, run } from '../../support/run.ts'

const all = mkdtempSync(join(tmpdir(), 'leasehold-audit-'))
after(() => rmSync(all, { recursive: true }))

test('tail passes over what is no record, and sends no control characters to the terminal', async () => {
  const dir = join(all, 'tail')
  mkdirSync(dir)
  const forged = String.raw`{"kind":"call","time":"now","verdict":"denied","method":"\u001b[2Jm","peer":"p\u0007\n","rule":"r\u001b[1A"}`
  writeFileSync(join(dir, fileName(1)), `null\n1\n"text"\nno JSON\n${forged}\n`)
  const { code, stdout } = await run(leasehold, ['audit', 'tail', dir, '--no-follow'])
  assert.equal(code, 0)
  assert.equal(stdout, `${String.raw`now denied - p\u0007\u000a \u001b[2Jm (r\u001b[1A)`}\n`)
})

test('verify asks for the key that it needs: without it a good trail looks damaged', async () => {
  const { code, stdout, stderr } = await run(leasehold, ['audit', 'verify', all])
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
  assert.match(stderr, /required option '--public-key <file>' not specified/)
})

test('a trail in the middle of whose last line verify looks is good once that has been written', async () => {
  const dir = join(all, 'verify')
  const folder = openTrailFolder(dir, trailKey.publicPem)
  const trail = openTrail(folder)
  trail.append([batchOf(1)])
  trail.checkpoint()
  trail.close()
  const whole = folder.read(1)
  const file = join(dir, fileName(1))
  const publicKey = join(dir, 'audit-key.pub.pem')
  const keys = verificationKeys([readFileSync(publicKey)])
  let written = whole.length - 200
  writeFileSync(file, whole.subarray(0, written))
  const verdict = await settledVerdict(dir, (trail) => {
    const now = verifyTrail(trail, keys, null)
    appendFileSync(file, whole.subarray(written, written + 50))
    written += 50
    return now
  })
  assert.equal(verdict.damage, null)
  writeFileSync(file, whole.subarray(0, -10))
  const args = ['audit', 'verify', dir, '--public-key', publicKey]
  const torn = await run(leasehold, args)
  assert.equal(torn.code, 2)
  assert.match(torn.stdout, /a part of a line: as after a crash/)
})
