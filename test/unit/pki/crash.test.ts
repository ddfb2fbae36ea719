import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { describeAuthority, reindex } from '../../../src/pki/index.ts'
import { readCertificates, readRevocationLists } from '../../../src/x509/index.ts'
import { TestFolder } from './test-folder.ts'

const program = new URL('issuing-process.ts', import.meta.url).pathname

/** Starts one and kills it some time after its first certificate. @throws if it ends before, by itself. */
async function killedAfter(folder: TestFolder, prefix: string, delayMs: number): Promise<void> {
  const child = spawn(process.execPath, [program, folder.path('ca'), folder.path('out'), prefix], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  // Waited for from the start: it may end at any moment, and an end that was missed never comes again.
  const closed = once(child, 'close', { signal: AbortSignal.timeout(60_000) })
  try {
    const [first] = await Promise.race([once(child.stdout!, 'data'), closed])
    assert.equal(String(first), 'at work\n', `${prefix} ended before its first certificate`)
    await new Promise((resolve) => setTimeout(resolve, delayMs))
  } finally {
    child.kill('SIGKILL')
  }
  const [code, signal] = await closed
  assert.equal(signal, 'SIGKILL', `${prefix} ended by itself with code ${code}`)
}

/** @throws unless all that exists is on record, and every revocation in a list. */
function checkFolder(folder: TestFolder): void {
  const dir = folder.path('ca')
  try {
    describeAuthority(dir)
  } catch (error) {
    // Killed in the middle of a line.
    assert.match(String(error), /see: leasehold pki reindex/)
    reindex(dir)
  }
  const { issued, keys } = describeAuthority(dir)
  const serials = new Set(issued.map(({ serial }) => serial))
  for (const name of readdirSync(folder.path('out')).filter((each) => /^[^.].*\.crt$/.test(each)))
    assert.ok(serials.has(readCertificates(Buffer.from(folder.read('out', name)))[0]!.serial), name)
  // The first revocation makes it, and may not have come so far.
  const hasList = existsSync(folder.path('ca', 'crl.pem'))
  const lists = hasList ? readRevocationLists(Buffer.from(folder.read('ca', 'crl.pem'))) : []
  const listed = new Set(lists.flatMap(({ revoked }) => [...revoked.keys()]))
  const known = new Set(issued.filter(({ status }) => status === 'revoked').map(({ serial }) => serial))
  for (const serial of listed) assert.ok(known.has(serial), serial)
  assert.equal(keys.filter(({ role }) => role === 'issuing').length, 1)
}

test('killed at any moment, it leaves nothing that is not on record', async () => {
  using folder = new TestFolder()
  folder.init()
  for (let round = 0; round < 8; round++) {
    await killedAfter(folder, `round${round}`, 20 + round * 17)
    checkFolder(folder)
  }
})

test('several at once take turns', async () => {
  using folder = new TestFolder()
  folder.init()
  await Promise.all([1, 2, 3].map((each) => killedAfter(folder, `worker${each}`, 300)))
  checkFolder(folder)
})
