import { generateKeyPairSync } from 'node:crypto'
import { signingKey, verificationKeys } from '../../src/audit/signing-key.ts'
import { type Batch, Trail, type TrailOptions } from '../../src/audit/trail.ts'
import type { TrailFile, TrailFolder } from '../../src/audit/trail-folder.ts'

/** Two keys of which tests use the first. */
const pems = [0, 1].map(() =>
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
)
export const trailKey = signingKey(pems[0]!)
export const otherTrailKey = signingKey(pems[1]!)
export const trailKeys = verificationKeys([trailKey.publicPem])

type Failing = 'write' | 'sync' | 'open' | 'remove'

/** The folder of a trail in memory. */
export class MemoryTrailFolder implements TrailFolder {
  readonly files = new Map<number, Buffer>()
  /** These calls fail; a write after half of its bytes. */
  readonly failing = new Set<Failing>()

  copy(): MemoryTrailFolder {
    const copy = new MemoryTrailFolder()
    for (const [file, bytes] of this.files) copy.files.set(file, Buffer.from(bytes))
    return copy
  }

  list(): number[] {
    return [...this.files.keys()].sort((a, b) => a - b)
  }

  read(file: number, from = 0): Buffer {
    return this.files.get(file)!.subarray(from)
  }

  open(file: number, how: 'create' | 'append'): TrailFile {
    this.#mayFail('open')
    if (how === 'create') {
      if (this.files.has(file)) throw Object.assign(new Error('exists'), { code: 'EEXIST' })
      this.files.set(file, Buffer.alloc(0))
    }
    const folder = this
    const set = (bytes: Buffer): void => void this.files.set(file, bytes)
    return {
      get size() {
        return folder.read(file).length
      },
      write(bytes, position) {
        // Of a file that was removed while it was open nothing is found.
        if (!folder.files.has(file)) return
        const fails = folder.failing.has('write')
        const part = fails ? bytes.subarray(0, bytes.length / 2) : bytes
        const before = folder.read(file)
        const after = Buffer.alloc(Math.max(before.length, position + part.length))
        after.set(before)
        after.set(part, position)
        set(after)
        folder.#mayFail('write')
      },
      truncate: (size) => set(folder.read(file).subarray(0, size)),
      sync: () => folder.#mayFail('sync'),
      isThere: () => folder.files.has(file),
      close() {},
    }
  }

  remove(file: number): void {
    this.#mayFail('remove')
    this.files.delete(file)
  }

  sync(): void {
    this.#mayFail('sync')
  }

  #mayFail(call: Failing): void {
    if (this.failing.has(call)) throw Object.assign(new Error(`${call} fails`), { code: 'ENOSPC' })
  }
}

export function openTrail(folder: TrailFolder, options: Partial<TrailOptions> = {}): Trail {
  return Trail.open({
    folder,
    key: trailKey,
    member: '8e9e05c52164694d',
    newTrailId: '00000000-0000-4000-8000-000000000000',
    fileBytesMax: 100_000,
    fileAgeMsMax: 3_600_000,
    filesMax: null,
    nowMs: () => 1_700_000_000_000,
    ...options,
  })
}

/** Records with these numbers. */
export function batchOf(...numbers: readonly number[]): Batch {
  const lines = numbers.map((number) => `${JSON.stringify({ kind: 'call', number })}\n`)
  return { bytes: Buffer.from(lines.join('')), records: numbers.length }
}

export const textOf = (folder: MemoryTrailFolder): string =>
  folder
    .list()
    .map((file) => folder.read(file).toString())
    .join('')
