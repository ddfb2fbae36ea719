import { dirname } from 'node:path'
import type { Random } from '../../src/base/random.ts'
import type { FileSystem, IoDone, StorageFile } from '../../src/storage/fs.ts'

const sectorBytes = 512

interface Inode {
  bytes: Buffer
  /** What a crash may bring back instead: the bytes before a truncation that was not synced. */
  beforeTruncation: Buffer | null
}

interface PendingWrite {
  readonly inode: Inode
  readonly data: Buffer
  readonly position: number
}

type Names = Map<string, Inode>

export type Fault = 'write' | 'rename' | 'remove' | 'syncDir' | 'sync'

const ioError = (code: string): Error => Object.assign(new Error(`${code}: made by the test`), { code })

/**
 * A file system in memory that keeps after a crash only what POSIX promises: of a write in flight any of its sectors,
 * and of the changes to a directory since its last sync any number, oldest first.
 */
export class FaultyDisk implements FileSystem {
  /** What is said to be left of it; nothing keeps to that. */
  free = Number.POSITIVE_INFINITY
  readonly #random: Random
  readonly #names: Names
  /** Names as they are on the disk itself, and the changes that are not there yet. */
  readonly #durable: Names
  readonly #changes: ((names: Names) => void)[] = []
  readonly #writes = new Set<PendingWrite>()
  readonly #faults = new Map<Fault, { countdown: number; code: string }>()
  #dead = false

  constructor(random: Random, durable: Names = new Map()) {
    this.#random = random
    this.#durable = durable
    this.#names = new Map(durable)
  }

  /** The `nth` call from now on fails, and so do all that follow; a write that fails leaves some of its sectors. */
  fail(fault: Fault, nth = 1, code = 'EIO'): void {
    this.#faults.set(fault, { countdown: nth, code })
  }

  /** The disk as the next start finds it. Nothing of this one completes any more. */
  crash(): FaultyDisk {
    this.#dead = true
    for (const write of this.#writes) this.#tear(write)
    const kept = this.#random.below(this.#changes.length + 1)
    for (const change of this.#changes.slice(0, kept)) change(this.#durable)
    for (const inode of this.#durable.values()) {
      if (inode.beforeTruncation !== null && this.#random.below(2) === 0) inode.bytes = inode.beforeTruncation
      inode.beforeTruncation = null
    }
    return new FaultyDisk(this.#random, this.#durable)
  }

  /** For tests that damage files: the live bytes. */
  bytesOf(path: string): Buffer {
    return this.#inode(path).bytes
  }

  setBytes(path: string, bytes: Buffer): void {
    this.#inode(path).bytes = bytes
  }

  async freeBytes(): Promise<number> {
    return this.free
  }

  async open(path: string, how: 'read' | 'readWrite' | 'create'): Promise<StorageFile> {
    await this.#turn()
    if (how !== 'create') return this.#file(this.#inode(path))
    if (this.#names.has(path)) throw ioError('EEXIST')
    const inode: Inode = { bytes: Buffer.alloc(0), beforeTruncation: null }
    this.#change((names) => names.set(path, inode))
    return this.#file(inode)
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#turn('rename')
    const inode = this.#inode(from)
    this.#change((names) => {
      names.delete(from)
      names.set(to, inode)
    })
  }

  async remove(path: string): Promise<void> {
    await this.#turn('remove')
    this.#inode(path)
    this.#change((names) => names.delete(path))
  }

  async list(dir: string): Promise<string[]> {
    await this.#turn()
    return [...this.#names.keys()].filter((path) => dirname(path) === dir).map((path) => path.slice(dir.length + 1))
  }

  async makeDir(): Promise<void> {
    await this.#turn()
  }

  async syncDir(): Promise<void> {
    await this.#turn('syncDir')
    for (const change of this.#changes.splice(0)) change(this.#durable)
  }

  #file(inode: Inode): StorageFile {
    return {
      write: (data, length, position, done) =>
        this.#write(inode, Buffer.from(data.subarray(0, length)), position, done),
      writeHere: (data, length, position) => this.#writeHere(inode, data.subarray(0, length), position),
      sync: async () => {
        await this.#turn('sync')
        inode.beforeTruncation = null
      },
      truncate: async (size) => {
        await this.#turn()
        inode.beforeTruncation ??= inode.bytes
        inode.bytes = Buffer.from(inode.bytes.subarray(0, size))
      },
      size: async () => inode.bytes.length,
      read: async (position, length) => Buffer.from(inode.bytes.subarray(position, position + length)),
      close: async () => {},
    }
  }

  #write(inode: Inode, data: Buffer, position: number, done: IoDone): void {
    const write = { inode, data, position }
    this.#writes.add(write)
    this.#turn('write').then(
      () => {
        this.#writes.delete(write)
        this.#apply(write, 0, data.length)
        done(null)
      },
      (error: Error) => {
        this.#writes.delete(write)
        this.#tear(write)
        done(error)
      },
    )
  }

  #writeHere(inode: Inode, data: Uint8Array, position: number): void {
    const write = { inode, data: Buffer.from(data), position }
    const fault = this.#due('write')
    if (fault === null) return this.#apply(write, 0, data.length)
    this.#tear(write)
    throw fault
  }

  #apply({ inode, data, position }: PendingWrite, from: number, to: number): void {
    const end = position + to
    if (inode.bytes.length < end) inode.bytes = Buffer.concat([inode.bytes, Buffer.alloc(end - inode.bytes.length)])
    data.copy(inode.bytes, position + from, from, to)
  }

  #tear(write: PendingWrite): void {
    const { data, position } = write
    for (let from = 0; from < data.length; ) {
      const to = Math.min(data.length, from + sectorBytes - ((position + from) % sectorBytes))
      if (this.#random.below(2) === 0) this.#apply(write, from, to)
      from = to
    }
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path)
    if (inode === undefined) throw ioError('ENOENT')
    return inode
  }

  #change(change: (names: Names) => void): void {
    change(this.#names)
    this.#changes.push(change)
  }

  #due(fault: Fault): Error | null {
    const planned = this.#faults.get(fault)
    return planned !== undefined && --planned.countdown <= 0 ? ioError(planned.code) : null
  }

  /** Completions come one turn later; never from a dead disk. */
  #turn(fault?: Fault): Promise<void> {
    return new Promise((resolve, reject) => {
      setImmediate(() => {
        if (this.#dead) return
        const error = fault === undefined ? null : this.#due(fault)
        if (error === null) resolve()
        else reject(error)
      })
    })
  }
}
