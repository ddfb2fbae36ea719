import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { seededRandom } from '../../../src/base/random.ts'
import { realFileSystem } from '../../../src/storage/fs.ts'
import { openWal } from '../../../src/storage/wal.ts'
import { headerBytes } from '../../../src/storage/wal-format.ts'
import { append, dir, entries, hardState, logStoreContract, reset, walOptions } from '../../contract/log-store.ts'
import { FaultyDisk } from '../../support/faulty-disk.ts'

const newDisk = (): FaultyDisk => new FaultyDisk(seededRandom(1))

logStoreContract('a file system in memory', async () => ({ options: walOptions(newDisk()), done: async () => {} }))
logStoreContract('the real file system', async () => {
  const base = await mkdtemp(join(tmpdir(), 'leasehold-wal-'))
  return {
    options: walOptions(realFileSystem, { dir: join(base, 'log') }),
    done: () => rm(base, { recursive: true }),
  }
})

test('log files are for their owner only', async () => {
  const base = await mkdtemp(join(tmpdir(), 'leasehold-wal-'))
  try {
    const path = join(base, 'log')
    const { log } = await openWal(walOptions(realFileSystem, { dir: path }))
    await append(log, { entries: entries(1, 1, 1) })
    await log.close()
    assert.equal((await stat(path)).mode & 0o777, 0o700)
    const names = await readdir(path)
    assert.deepEqual(names, ['0000000000000001.wal'])
    for (const name of names) assert.equal((await stat(join(path, name))).mode & 0o777, 0o600)
  } finally {
    await rm(base, { recursive: true })
  }
})

/** A log of 3 segments at least, closed; and the offset of the last record in the last one that has any. */
async function written(disk: FaultyDisk, batches = 38): Promise<string[]> {
  const { log } = await openWal(walOptions(disk))
  for (let i = 0; i < batches; i++) await append(log, { entries: entries(1, i * 10 + 1, i * 10 + 10) })
  await log.close()
  return (await disk.list(dir)).sort().map((name) => `${dir}/${name}`)
}

/** Lengths as in the format: record header 16, rounded up to 8. */
function recordOffsets(bytes: Buffer): number[] {
  const offsets: number[] = []
  let at = headerBytes
  while (at + 16 <= bytes.length && bytes.readUInt32LE(at) !== 0) {
    offsets.push(at)
    at += (16 + bytes.readUInt32LE(at + 4) + 7) & ~7
  }
  return offsets
}

test('a shortage of space that is over when the next segment is needed does not matter', async () => {
  const disk = newDisk()
  const open = disk.open.bind(disk)
  let full = false
  disk.open = async (path, how) => {
    if (full && how === 'create') throw new Error('ENOSPC: made by the test')
    return open(path, how)
  }
  const { log } = await openWal(walOptions(disk, { segmentBytes: 4096 }))
  let last = 0
  const appendUntil = async (segments: number): Promise<void> => {
    while ((await disk.list(dir)).filter((name) => name.endsWith('.wal')).length < segments) {
      await append(log, { entries: entries(1, last + 1, last + 10) })
      last += 10
    }
  }
  full = true
  await appendUntil(2)
  full = false
  await appendUntil(4)
  await log.close()
  const { recovered } = await openWal(walOptions(disk))
  assert.equal(recovered.entries.length, last)
})

test('on a disk with little room no segment is prepared ahead of need', async () => {
  const disk = newDisk()
  const prepared = async (): Promise<string[]> => (await disk.list(dir)).filter((name) => name.endsWith('.tmp'))
  disk.free = 16 * 1024 * 1024
  const { log } = await openWal(walOptions(disk, { segmentBytes: 4096 }))
  let last = 0
  for (let segment = 1; segment < 4; segment++) {
    while ((await disk.list(dir)).filter((name) => name.endsWith('.wal')).length === segment) {
      assert.deepEqual(await prepared(), [])
      await append(log, { entries: entries(1, last + 1, last + 10) })
      last += 10
    }
  }
  await log.close()
  const { recovered } = await openWal(walOptions(disk))
  assert.equal(recovered.entries.length, last)
})

test('a torn last record is cut, wherever it is torn', async () => {
  for (const cut of ['first byte', 'middle', 'last byte', 'zeroed header', 'file ends']) {
    const disk = newDisk()
    const path = (await written(disk, 8)).at(-1)!
    const bytes = disk.bytesOf(path)
    const last = recordOffsets(bytes).at(-1)!
    const end = last + 16 + bytes.readUInt32LE(last + 4)
    if (cut === 'first byte') bytes[last]! ^= 0xff
    if (cut === 'middle') bytes.fill(0, last + 100, end)
    if (cut === 'last byte') bytes[end - 1]! ^= 1
    if (cut === 'zeroed header') bytes.fill(0, last, last + 40)
    if (cut === 'file ends') disk.setBytes(path, Buffer.from(bytes.subarray(0, last + 11)))
    const warnings: string[] = []
    const log = { ...walOptions(disk).log, warn: (message: string) => void warnings.push(message) }
    const first = await openWal(walOptions(disk, { log }))
    assert.equal(first.recovered.entries.length, 70, cut)
    assert.deepEqual(warnings, ['cut a torn record at the end of the log'])
    await append(first.log, { entries: entries(2, 71, 75) })
    await first.log.close()
    const second = await openWal(walOptions(disk))
    assert.equal(second.recovered.entries.length, 75)
    await second.log.close()
  }
})

const damages: { name: string; damage: (disk: FaultyDisk, paths: string[]) => Promise<void> | void; want: RegExp }[] = [
  {
    name: 'a bit in a record with good records behind it',
    damage: (disk, paths) => {
      const bytes = disk.bytesOf(paths.at(-1)!)
      bytes[recordOffsets(bytes)[0]! + 40]! ^= 4
    },
    want: /wal: damaged at offset 96: bad record, and a good one follows at offset \d+$/,
  },
  {
    name: 'a length that reaches far past the file, with good records behind it',
    damage: (disk, paths) => {
      const bytes = disk.bytesOf(paths.at(-1)!)
      bytes.writeUInt32LE(0xffff_fff0, recordOffsets(bytes)[0]! + 4)
    },
    want: /wal: damaged at offset 96: bad record, and a good one follows/,
  },
  {
    name: 'a zeroed record with good records behind it',
    damage: (disk, paths) => {
      const bytes = disk.bytesOf(paths.at(-1)!)
      const [first, second] = recordOffsets(bytes)
      bytes.fill(0, first, second)
    },
    want: /wal: damaged at offset 96: bad record, and a good one follows/,
  },
  {
    name: 'the last record of a segment in the middle',
    damage: (disk, paths) => {
      const bytes = disk.bytesOf(paths[1]!)
      bytes[recordOffsets(bytes).at(-1)! + 30]! ^= 1
    },
    want: /0000000000000002\.wal: damaged at offset \d+: bad record, and a later segment follows$/,
  },
  {
    name: 'a segment in the middle that lost its end',
    damage: (disk, paths) => {
      const bytes = disk.bytesOf(paths[1]!)
      disk.setBytes(paths[1]!, Buffer.from(bytes.subarray(0, recordOffsets(bytes).at(-1)!)))
    },
    want: /0000000000000003\.wal: damaged at offset 0: it starts after entry \d+, the segment before ends at \d+$/,
  },
  {
    name: 'a record taken out of the middle',
    damage: (disk, paths) => {
      const bytes = disk.bytesOf(paths[1]!)
      const [first, second] = recordOffsets(bytes)
      bytes.copy(bytes, first!, second, bytes.length)
    },
    want: /0000000000000002\.wal: damaged at offset 96: record does not follow the one before$/,
  },
  {
    name: 'a header',
    damage: (disk, paths) => void disk.bytesOf(paths[1]!).fill(0xaa, 50, 51),
    want: /0000000000000002\.wal: damaged at offset 0: bad checksum$/,
  },
  {
    name: 'a file that is no segment',
    damage: (disk, paths) => disk.setBytes(paths[1]!, Buffer.from('hello')),
    want: /0000000000000002\.wal: damaged at offset 0: not a log segment$/,
  },
  {
    name: 'a missing segment',
    damage: (disk, paths) => disk.remove(paths[1]!),
    want: /0000000000000002\.wal: missing from the log$/,
  },
  {
    name: 'a segment under another name',
    damage: async (disk, paths) => {
      disk.setBytes(paths[1]!, disk.bytesOf(paths[2]!))
    },
    want: /0000000000000002\.wal: damaged at offset 0: it is segment 3, renamed$/,
  },
]
for (const { name, damage, want } of damages) {
  test(`damage is refused: ${name}`, async () => {
    const disk = newDisk()
    const paths = await written(disk)
    assert.ok(paths.length >= 4)
    await damage(disk, paths)
    const before = paths.map((path) => (path === paths[1] ? null : Buffer.from(disk.bytesOf(path))))
    await assert.rejects(openWal(walOptions(disk)), (error: Error) => {
      assert.match(error.message, want)
      return 'fault' in error && error.fault === 'damaged'
    })
    for (const [i, bytes] of before.entries()) {
      if (bytes !== null) assert.equal(Buffer.compare(disk.bytesOf(paths[i]!), bytes), 0, 'nothing was changed')
    }
  })
}

test('no change of one byte anywhere is taken for good entries', async () => {
  const disk = newDisk()
  const paths = await written(disk, 20)
  const random = seededRandom(5)
  const want = entries(1, 1, 200).map(({ data }) => Buffer.from(data).toString())
  for (let i = 0; i < 300; i++) {
    const copy = new FaultyDisk(random)
    for (const path of paths) {
      await copy.open(path, 'create')
      copy.setBytes(path, Buffer.from(disk.bytesOf(path)))
    }
    const bytes = copy.bytesOf(paths[random.below(paths.length)]!)
    bytes[random.below(bytes.length)]! ^= 1 + random.below(255)
    const got = await openWal(walOptions(copy)).then(
      ({ recovered }) => recovered.entries.map(({ data }) => Buffer.from(data).toString()),
      (error: Error & { fault?: string }): string[] => {
        assert.ok(error.fault === 'damaged' || error.fault === 'foreign', String(error))
        return []
      },
    )
    assert.deepEqual(got, want.slice(0, got.length))
  }
})

for (const { fault, code, count } of [
  { fault: 'write', code: 'EIO', count: 5 },
  { fault: 'write', code: 'ENOSPC', count: 5 },
  // Written in the caller's own thread.
  { fault: 'write', code: 'EIO', count: 1 },
] as const) {
  test(`after ${code} on a ${fault} of ${count} every later append fails, also when the disk recovers`, async () => {
    const disk = newDisk()
    const { log } = await openWal(walOptions(disk))
    await append(log, { entries: entries(1, 1, 5) })
    disk.fail(fault, 1, code)
    const more = entries(1, 6, 5 + count)
    await assert.rejects(append(log, { entries: more, isOfFew: count === 1 }), {
      name: 'StorageError',
      fault: 'failed',
    })
    disk.fail(fault, Number.POSITIVE_INFINITY)
    await assert.rejects(append(log, { entries: more, isOfFew: count === 1 }), {
      name: 'StorageError',
      fault: 'failed',
    })
    await assert.rejects(append(log, { hardState: hardState(1, 0n, 3) }), { name: 'StorageError' })
    await assert.rejects(reset(log, { term: 1, index: 9 }, hardState(1, 0n, 9)), { name: 'StorageError' })
    await log.close()
    const { log: next, recovered } = await openWal(walOptions(disk.crash()))
    assert.deepEqual(
      recovered.entries.slice(0, 5).map(({ index }) => index),
      [1, 2, 3, 4, 5],
    )
    await next.close()
  })
}

test("an entry that comes alone is written in the caller's thread, as long as the disk is quick", async () => {
  const disk = newDisk()
  const open = disk.open.bind(disk)
  let ways: string[] = []
  let nowMs = 0
  let writeMs = 0.5
  disk.open = async (path, how) => {
    const file = await open(path, how)
    const took = (way: string, length: number): void => {
      // Not of the zeros for the next segment.
      if (length >= 256 * 1024) return
      ways.push(way)
      nowMs += writeMs
    }
    return {
      ...file,
      write: (data, length, position, done) =>
        file.write(data, length, position, (error) => {
          took('elsewhere', length)
          done(error)
        }),
      writeHere: (data, length, position) => {
        file.writeHere(data, length, position)
        took('here', length)
      },
    }
  }
  const { log } = await openWal(walOptions(disk, { segmentBytes: 1024 * 1024, nowMs: () => nowMs }))
  let last = 0
  const way = async (isOfFew: boolean, size = 20): Promise<string> => {
    ways = []
    let isCalling = true
    const appended = new Promise<void>((resolve, reject) =>
      log.append({ hardState: null, entries: entries(1, last + 1, last + 1, size), isOfFew }, (error) => {
        if (isCalling) reject(new Error('called back from within the call'))
        else if (error !== undefined) reject(error)
        else resolve()
      }),
    )
    isCalling = false
    await appended
    last++
    return ways.join()
  }
  assert.equal(await way(true), 'elsewhere', 'nothing is known of the disk yet')
  assert.equal(await way(true), 'here')
  assert.equal(await way(false), 'elsewhere', 'others would wait')
  assert.equal(await way(true, 20_000), 'elsewhere', 'a large one')
  writeMs = 3
  assert.equal(await way(true), 'here', 'it was quick until now')
  assert.equal(await way(true), 'elsewhere', 'it was slow')
  writeMs = 0.5
  assert.equal(await way(true), 'elsewhere', 'it was slow still')
  assert.equal(await way(true), 'here')
  await log.close()
  const { recovered } = await openWal(walOptions(disk.crash()))
  assert.equal(recovered.entries.length, last)
})

for (const fault of ['rename', 'syncDir'] as const) {
  test(`a failing ${fault} when a segment is full fails the append`, async () => {
    const disk = newDisk()
    const { log } = await openWal(walOptions(disk))
    disk.fail(fault)
    const filling = (async () => {
      for (let i = 1; i < 1000; i += 10) await append(log, { entries: entries(1, i, i + 9) })
    })()
    await assert.rejects(filling, { name: 'StorageError', fault: 'failed' })
  })
}

test('segments that cannot be removed are reported and do no harm', async () => {
  const disk = newDisk()
  const warnings: string[] = []
  const log = { ...walOptions(disk).log, warn: (message: string) => void warnings.push(message) }
  const { log: wal } = await openWal(walOptions(disk, { log }))
  for (let i = 1; i <= 300; i += 10) await append(wal, { entries: entries(1, i, i + 9) })
  disk.fail('remove')
  wal.release(300)
  await append(wal, { entries: entries(1, 301, 301) })
  disk.fail('remove', Number.POSITIVE_INFINITY)
  await wal.close()
  assert.deepEqual(warnings, ['could not remove released log segments'])
  const { log: next, recovered } = await openWal(walOptions(disk))
  assert.equal(recovered.entries.at(-1)!.index, 301)
  await next.close()
})
