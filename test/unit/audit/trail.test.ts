import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { noHash, parseSeal, sealHash, sealHead, sealLine } from '../../../src/audit/seal.ts'
import { verifyTrail } from '../../../src/audit/verify.ts'
import {
  batchOf,
  MemoryTrailFolder,
  openTrail,
  otherTrailKey,
  textOf,
  trailKey,
  trailKeys,
} from '../../support/memory-trail.ts'

/** Two files, with a clean end. */
function someTrail(): MemoryTrailFolder {
  const folder = new MemoryTrailFolder()
  const trail = openTrail(folder, { fileBytesMax: 1200 })
  for (let record = 0; record < 10; record += 2) {
    trail.append([batchOf(record), batchOf(record + 1)])
    if (record % 6 === 0) trail.checkpoint()
  }
  trail.checkpoint('stop')
  trail.close()
  assert.ok(folder.files.size >= 2)
  return folder
}

const damageOf = (folder: MemoryTrailFolder, expected: string | null = null) =>
  verifyTrail(folder, trailKeys, expected).damage

test('a trail that is as it was written is good', () => {
  const verdict = verifyTrail(someTrail(), trailKeys)
  assert.equal(verdict.damage, null)
  assert.equal(verdict.records, 10)
  assert.equal(verdict.unprovenRecords, 0)
  assert.equal(verdict.isEnded, true)
})

test('every flipped bit is found', () => {
  const good = someTrail()
  for (const file of good.list()) {
    for (let at = 0; at < good.read(file).length; at++) {
      const bad = good.copy()
      bad.read(file)[at]! ^= 1 << (at % 8)
      assert.notEqual(damageOf(bad), null, `byte ${at} of file ${file}`)
    }
  }
})

test('any byte that becomes any other is found', () => {
  const good = someTrail()
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), (file, at, change) => {
      const bad = good.copy()
      const bytes = bad.read(1 + (file % bad.files.size))
      bytes[at % bytes.length]! ^= change
      assert.notEqual(damageOf(bad), null)
    }),
  )
})

test('lines that are removed, doubled, swapped or added are found', () => {
  const good = someTrail()
  const lines = good.list().flatMap((file) =>
    good
      .read(file)
      .toString()
      .split(/(?<=\n)/)
      .map((line, index) => ({ file, line, index })),
  )
  const withLines = (file: number, change: (lines: string[]) => void): MemoryTrailFolder => {
    const bad = good.copy()
    const all = bad
      .read(file)
      .toString()
      .split(/(?<=\n)/)
    change(all)
    bad.files.set(file, Buffer.from(all.join('')))
    return bad
  }
  const lastLine = lines.length - 1
  for (const [number, { file, line, index }] of lines.entries()) {
    // The last seal alone says that the member ended the trail: without it the rest is a good trail that goes on.
    if (number !== lastLine)
      assert.notEqual(damageOf(withLines(file, (all) => all.splice(index, 1))), null, `without ${line}`)
    assert.notEqual(damageOf(withLines(file, (all) => all.splice(index, 0, line))), null, `twice ${line}`)
    const added = '{"kind":"call"}\n'
    assert.notEqual(damageOf(withLines(file, (all) => all.splice(index + 1, 0, added))), null, `after ${line}`)
    if (lines[number + 1]?.file === file) {
      const swapped = withLines(file, (all) => all.splice(index, 2, all[index + 1]!, all[index]!))
      assert.notEqual(damageOf(swapped), null, `swapped ${line}`)
    }
  }
})

test('a cut is found, but where a checkpoint was the newest: then an expected one shows it', () => {
  const good = someTrail()
  const { checkpoint } = verifyTrail(good, trailKeys)
  const last = good.list().at(-1)!
  for (let length = 0; length < good.read(last).length; length++) {
    const bad = good.copy()
    bad.files.set(last, good.read(last).subarray(0, length))
    const { damage, isEnded, unprovenRecords } = verifyTrail(bad, trailKeys)
    const isAfterLine = length > 0 && good.read(last)[length - 1] === 0x0a
    if (!isAfterLine) assert.notEqual(damage, null, `${length} bytes`)
    assert.equal(isEnded, false)
    assert.ok(unprovenRecords <= 6)
    assert.notEqual(damageOf(bad, checkpoint!.head), null, `${length} bytes`)
  }
  assert.equal(damageOf(good, checkpoint!.head), null)
})

test('a missing file is found wherever it is, with the newest by an expected checkpoint', () => {
  const good = someTrail()
  const { checkpoint } = verifyTrail(good, trailKeys)
  for (const file of good.list()) {
    const bad = good.copy()
    bad.files.delete(file)
    assert.match(damageOf(bad, checkpoint!.head)!.what, /missing|is not in the trail/)
  }
  const none = new MemoryTrailFolder()
  assert.equal(damageOf(none)?.what, 'there is no trail here')
})

test('files that change places are found', () => {
  const bad = someTrail()
  const [first, second] = [bad.read(1), bad.read(2)]
  bad.files.set(1, second).set(2, first)
  assert.notEqual(damageOf(bad), null)
})

test('a trail that somebody made anew with a key of its own is found', () => {
  const folder = new MemoryTrailFolder()
  const trail = openTrail(folder, { key: otherTrailKey })
  trail.append([batchOf(1)])
  trail.checkpoint('stop')
  assert.match(damageOf(folder)!.what, /another key/)
})

test('a checkpoint whose signature was taken away, with the hash made anew, is found by what is overdue', () => {
  const folder = new MemoryTrailFolder()
  const trail = openTrail(folder)
  for (let record = 0; record < 3; record++) trail.append([batchOf(record)])
  // Who cannot sign goes on for hours without a checkpoint.
  folder.files.set(1, resealed(folder.read(1), 3_600_000 / 4))
  assert.match(damageOf(folder)!.what, /due/)
})

/** With later times for the seals behind the first one, and their hashes made anew. */
function resealed(bytes: Buffer, laterMs: number): Buffer {
  let previous = noHash
  let block = ''
  let timeMs = 0
  let text = ''
  for (const line of bytes.toString().split(/(?<=\n)/)) {
    const seal = parseSeal(line)
    if (seal === null) {
      block += line
      continue
    }
    timeMs = timeMs === 0 ? Date.parse(seal.time) : timeMs + laterMs
    const forged = { ...seal, time: new Date(timeMs).toISOString() }
    previous = sealHash(previous, [Buffer.from(block)], sealHead(forged))
    text += block + sealLine({ ...forged, hash: previous })
    block = ''
  }
  return Buffer.from(text)
}

test('a trail is good however long the member was down, the machine asleep, the disk full or the clock wrong', () => {
  const minuteMs = 60_000
  const day = { fileAgeMsMax: 24 * 60 * minuteMs }
  for (const awayMs of [2 * minuteMs, 60 * minuteMs, -60 * minuteMs]) {
    let nowMs = 1_700_000_000_000
    const clock = { nowMs: () => nowMs, ...day }
    const folder = new MemoryTrailFolder()
    const killed = openTrail(folder, clock)
    killed.append([batchOf(1)])
    nowMs += awayMs
    const trail = openTrail(folder, clock)
    trail.append([batchOf(2)])
    nowMs += awayMs
    trail.append([batchOf(3)])
    trail.append([batchOf(4)])
    nowMs += awayMs
    trail.checkpoint()
    trail.append([batchOf(5)])
    nowMs -= 2 * awayMs
    folder.failing.add('write')
    assert.throws(() => trail.checkpoint())
    folder.failing.clear()
    nowMs += 3 * awayMs
    trail.append([batchOf(6)])
    trail.checkpoint('stop')
    assert.equal(damageOf(folder), null, `${awayMs} ms`)
  }
})

test('the run after a clean stop goes on in the same file', () => {
  const folder = someTrail()
  const files = folder.files.size
  const trail = openTrail(folder)
  assert.deepEqual(trail.findings, [])
  trail.append([batchOf(10)])
  trail.checkpoint('stop')
  const verdict = verifyTrail(folder, trailKeys)
  assert.equal(verdict.damage, null)
  assert.equal(verdict.records, 11)
  assert.equal(folder.files.size, files)
})

test('after a crash at any byte the next run mends the trail and says so in it', () => {
  const good = new MemoryTrailFolder()
  const written = openTrail(good, { fileBytesMax: 1200 })
  for (let record = 0; record < 8; record++) written.append([batchOf(record)])
  const last = good.list().at(-1)!
  assert.ok(last > 1)
  for (let length = 0; length <= good.read(last).length; length++) {
    const folder = good.copy()
    folder.files.set(last, Buffer.from(good.read(last).subarray(0, length)))
    const trail = openTrail(folder)
    trail.append([batchOf(100)])
    trail.checkpoint('stop')
    const { damage } = verifyTrail(folder, trailKeys)
    assert.equal(damage, null, `${length} bytes: ${JSON.stringify(damage)}`)
    assert.match(textOf(folder), /"kind":"recovered"/)
    assert.equal(trail.findings.length, 1)
  }
})

test('a trail that was changed while the member was down is not mended: a new file begins, and says it', () => {
  for (const at of [10, 300, 700, 900]) {
    const folder = someTrail()
    const last = folder.list().at(-1)!
    folder.read(last)[at]! ^= 1
    const changed = Buffer.from(folder.read(last))
    const trail = openTrail(folder)
    trail.append([batchOf(10)])
    trail.checkpoint('stop')
    assert.match(textOf(folder), /"kind":"damaged"/, `byte ${at}`)
    assert.match(trail.findings[0]!, /^audit-0+\d+\.jsonl:\d+: /)
    assert.equal(damageOf(folder)?.file, `audit-0000000${last}.jsonl`)
    assert.deepEqual(folder.read(last), changed)
  }
})

test('lines behind the end, however short, are found by verify, and the next run says that it found them', () => {
  const forged = `${JSON.stringify({ kind: 'call', time: '2026-01-01T00:00:00.000Z', user: 'ann' })}\n`
  for (const added of ['\n', '\n\n', 'x\n', 'x', '{}\n', '{"kind":"seal"\n', '{"kind":"seal",\n', forged]) {
    const folder = someTrail()
    const last = folder.list().at(-1)!
    folder.files.set(last, Buffer.concat([folder.read(last), Buffer.from(added)]))
    assert.notEqual(damageOf(folder), null, JSON.stringify(added))
    const trail = openTrail(folder)
    assert.notDeepEqual(trail.findings, [], JSON.stringify(added))
    trail.close()
    assert.match(textOf(folder), /"kind":"(?:recovered|damaged)"/, JSON.stringify(added))
  }
})

test('lines behind the end of a file that is followed by none are no part of the trail', () => {
  const folder = someTrail()
  for (const file of folder.list().slice(1)) folder.remove(file)
  folder.files.set(1, Buffer.concat([folder.read(1), Buffer.from('{"kind":"call"}\n')]))
  const trail = openTrail(folder)
  trail.checkpoint('stop')
  trail.close()
  assert.match(trail.findings[0]!, /^audit-00000001\.jsonl:\d+: something follows the end of the file$/)
  assert.equal(damageOf(folder)?.file, 'audit-00000001.jsonl')
})

test('old files are removed as told, and none but those', () => {
  const folder = new MemoryTrailFolder()
  const trail = openTrail(folder, { fileBytesMax: 600, filesMax: 3 })
  for (let record = 0; record < 30; record++) trail.append([batchOf(record)])
  trail.checkpoint('stop')
  assert.equal(folder.files.size, 3)
  assert.equal(damageOf(folder), null)
  const bad = folder.copy()
  bad.files.delete(bad.list()[0]!)
  assert.match(damageOf(bad)!.what, /not yet to be removed/)
})

test('an expected checkpoint that went with the old files is told from one that is missing', () => {
  const folder = new MemoryTrailFolder()
  const trail = openTrail(folder, { fileBytesMax: 600, filesMax: 2 })
  const heads: string[] = []
  for (let record = 0; record < 10; record++) {
    trail.append([batchOf(record)])
    trail.checkpoint()
    heads.push(trail.head)
  }
  trail.checkpoint('stop')
  assert.match(damageOf(folder, heads[0])!.what, /is not in the trail: it is older than the oldest file that is kept/)
  assert.match(damageOf(folder, `9999:${'0'.repeat(64)}`)!.what, /is not in the trail$/)
  assert.equal(damageOf(folder, heads.at(-1)), null)
  const begin = /"previous":"([0-9a-f]+)","seals":(\d+)/.exec(folder.read(folder.list()[0]!).toString())!
  assert.equal(damageOf(folder, `${begin[2]}:${begin[1]}`), null)
})

test('files end by age', () => {
  let nowMs = 1_700_000_000_000
  const folder = new MemoryTrailFolder()
  const trail = openTrail(folder, { nowMs: () => nowMs })
  trail.append([batchOf(1)])
  nowMs += 3_600_001
  trail.append([batchOf(2)])
  trail.checkpoint('stop')
  assert.equal(folder.files.size, 2)
})

test('a full disk loses records with their number, and the trail goes on without a break', () => {
  const folder = new MemoryTrailFolder()
  const trail = openTrail(folder)
  trail.append([batchOf(1)])
  folder.failing.add('write')
  assert.throws(() => trail.append([batchOf(2, 3)]), /write fails/)
  assert.throws(() => trail.append([batchOf(4)]), /write fails/)
  folder.failing.clear()
  trail.append([batchOf(5)])
  trail.checkpoint('stop')
  assert.equal(damageOf(folder), null)
  const text = textOf(folder)
  assert.match(text, /"kind":"lost","time":"[^"]+","records":3,"since":"[^"]+","why":"ENOSPC"/)
  assert.doesNotMatch(text, /"number":[234]/)
  assert.match(text, /"number":5/)
})

test('a disk that is full while a file ends or begins leaves a good trail', () => {
  for (const failing of ['write', 'sync', 'open'] as const) {
    const folder = new MemoryTrailFolder()
    const trail = openTrail(folder, { fileBytesMax: 700 })
    let failed = 0
    for (let record = 0; record < 40; record++) {
      if (record % 3 === 1) folder.failing.add(failing)
      else folder.failing.clear()
      try {
        trail.append([batchOf(record)])
      } catch {
        failed++
      }
    }
    folder.failing.clear()
    trail.checkpoint('stop')
    assert.ok(failed > 0, failing)
    assert.equal(damageOf(folder), null, failing)
    assert.ok(folder.files.size > 2, failing)
  }
})

test('a crash while the disk is full is mended like any other', () => {
  const folder = new MemoryTrailFolder()
  const trail = openTrail(folder)
  trail.append([batchOf(1)])
  folder.failing.add('write')
  assert.throws(() => trail.append([batchOf(2, 3)]))
  folder.failing.clear()
  const next = openTrail(folder)
  next.append([batchOf(4)])
  next.checkpoint('stop')
  assert.equal(damageOf(folder), null)
})

test('a file that is removed while it is written is noticed before anybody takes its records for kept', () => {
  const folder = new MemoryTrailFolder()
  const trail = openTrail(folder)
  trail.append([batchOf(1)])
  trail.checkpoint()
  folder.files.delete(1)
  trail.append([batchOf(2)])
  assert.throws(() => trail.sync(), /audit-00000001\.jsonl was removed or replaced/)
  trail.append([batchOf(3)])
  trail.sync()
  trail.checkpoint('stop')
  assert.match(textOf(folder), /"kind":"damaged","time":"[^"]+","file":1,"line":0,"what":"was removed or replaced/)
  assert.match(textOf(folder), /"number":3/)
  assert.deepEqual(damageOf(folder)?.file, 'audit-00000001.jsonl')
})

test('a file that is removed whenever one begins, too, is no reason to give up', () => {
  const folder = new MemoryTrailFolder()
  const trail = openTrail(folder)
  trail.append([batchOf(1)])
  folder.files.delete(1)
  assert.throws(() => trail.sync())
  folder.failing.add('open')
  assert.throws(() => trail.append([batchOf(2)]), { code: 'ENOSPC' })
  folder.failing.clear()
  trail.append([batchOf(3)])
  trail.checkpoint('stop')
  assert.match(textOf(folder), /"kind":"damaged"/)
  assert.deepEqual(folder.list(), [2])
})

test('a member whose disk is full still starts after a crash, and says later what it found and what is missing', () => {
  const ended = (folder: MemoryTrailFolder): void => {
    const trail = openTrail(folder, { fileBytesMax: 1 })
    folder.failing.add('open')
    assert.throws(() => trail.append([batchOf(0)]))
    folder.failing.clear()
  }
  const rows: readonly { readonly name: string; readonly said: string; prepare(folder: MemoryTrailFolder): void }[] = [
    { name: 'no end', said: 'recovered', prepare() {} },
    {
      name: 'part of a line',
      said: 'recovered',
      prepare: (folder) => folder.files.set(1, folder.read(1).subarray(0, -10)),
    },
    { name: 'an ended file', said: 'lost', prepare: ended },
    {
      name: 'a stump',
      said: 'recovered',
      prepare(folder) {
        ended(folder)
        folder.files.set(2, Buffer.from('{"kind":"beg'))
      },
    },
    { name: 'a wrong byte', said: 'damaged', prepare: (folder) => (folder.read(1)[200]! ^= 1) },
  ]
  for (const { name, said, prepare } of rows) {
    const folder = new MemoryTrailFolder()
    openTrail(folder).append([batchOf(1)])
    prepare(folder)
    folder.failing.add('write')
    const trail = openTrail(folder)
    assert.throws(() => trail.append([batchOf(2, 3)]), { code: 'ENOSPC' }, name)
    folder.failing.clear()
    trail.append([batchOf(4)])
    trail.checkpoint('stop')
    assert.match(textOf(folder), new RegExp(`"kind":"${said}"`), name)
    assert.match(textOf(folder), /"kind":"lost".*"records":2/, name)
    assert.match(textOf(folder), /"number":4/, name)
    if (said === 'damaged') assert.equal(damageOf(folder)?.file, 'audit-00000001.jsonl')
    else assert.equal(damageOf(folder), null, name)
  }
})

test('the fingerprint says which key signs', () => {
  assert.match(trailKey.fingerprint, /^[0-9a-f]{64}$/)
  assert.notEqual(trailKey.fingerprint, otherTrailKey.fingerprint)
})

test('old files that cannot be removed are removed with the next ones', () => {
  const folder = new MemoryTrailFolder()
  const trail = openTrail(folder, { fileBytesMax: 600, filesMax: 2 })
  folder.failing.add('remove')
  for (let record = 0; record < 10; record++) trail.append([batchOf(record)])
  assert.ok(folder.files.size > 2)
  assert.equal(damageOf(folder), null)
  folder.failing.clear()
  trail.append([batchOf(10), batchOf(11), batchOf(12)])
  for (let record = 13; record < 20; record++) trail.append([batchOf(record)])
  trail.checkpoint('stop')
  assert.equal(folder.files.size, 2)
  assert.equal(damageOf(folder), null)
})

test('a trail that could not begin its next file can still end', () => {
  const folder = new MemoryTrailFolder()
  const trail = openTrail(folder, { fileBytesMax: 600 })
  trail.append([batchOf(1)])
  folder.failing.add('open')
  assert.throws(() => trail.append([batchOf(2)]), { code: 'ENOSPC' })
  assert.throws(() => trail.checkpoint('stop'), { code: 'ENOSPC' })
  folder.failing.clear()
  trail.checkpoint('stop')
  assert.equal(damageOf(folder), null)
  assert.match(textOf(folder), /"kind":"lost".*"records":1/)
})
