/**
 * A state as a stream of chunks. All numbers are little-endian.
 *
 *     chunk     crc u32, magic u32, kind u8 and 3 zero bytes, number u32, payload length u32, payload
 *     tables    kind 1, once, first: the tables' names, joined by commas; records refer to them by position
 *     records   kind 2: records (table u8, key length u16, value length u32, key, value), in table and key order
 *     end       kind 3, once, last: number of records u64
 *
 * The crc of a chunk continues that of the chunk before, so the last one covers the whole stream and its order.
 */
import { crc32 } from 'node:zlib'
import { compareBytes, emptyBytes } from '../base/bytes.ts'
import { limits } from '../base/limits.ts'
import { type Pair, type ReadView, type Table, tableKeyBytesMax, tables } from '../mvcc/view.ts'
import { StorageError } from './storage-error.ts'

const chunkHeaderBytes = 20
const recordHeaderBytes = 7
const magic = 0x534e484c
const kinds = { tables: 1, records: 2, end: 3 } as const

export interface SnapshotRecord {
  readonly table: Table
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** Turns a view, which must stay as it is until the end, into chunks. */
export class SnapshotEncoder {
  readonly #view: ReadView
  readonly #chunkBytes: number
  #table = -1
  #pairs: Iterator<Pair> | null = null
  /** Read, and did not fit into the chunk before. */
  #waiting: Pair | null = null
  #number = 0
  #crc = 0
  #records = 0
  #ended = false

  constructor(view: ReadView, chunkBytes: number = limits.snapshotChunkBytes) {
    this.#view = view
    this.#chunkBytes = chunkBytes
  }

  /** Null after the end mark. A record larger than a chunk gets a chunk of its own. */
  next(): Uint8Array | null {
    if (this.#ended) return null
    if (this.#number === 0) {
      const names = Buffer.from(tables.join(','))
      const chunk = Buffer.alloc(chunkHeaderBytes + names.length)
      names.copy(chunk, chunkHeaderBytes)
      return this.#seal(kinds.tables, chunk)
    }
    return this.#nextRecords() ?? this.#end()
  }

  /** Lets go of the view. */
  close(): void {
    this.#ended = true
    this.#pairs?.return?.()
    this.#pairs = null
  }

  #nextRecords(): Uint8Array | null {
    let pair = this.#nextPair()
    if (pair === null) return null
    const size = recordHeaderBytes + pair[0].length + pair[1].length
    const chunk = Buffer.allocUnsafeSlow(chunkHeaderBytes + Math.max(size, this.#chunkBytes))
    let at = chunkHeaderBytes
    while (pair !== null) {
      const [key, value]: Pair = pair
      if (at + recordHeaderBytes + key.length + value.length > chunk.length) {
        this.#waiting = pair
        break
      }
      chunk[at] = this.#table
      chunk.writeUInt16LE(key.length, at + 1)
      chunk.writeUInt32LE(value.length, at + 3)
      chunk.set(key, at + recordHeaderBytes)
      chunk.set(value, at + recordHeaderBytes + key.length)
      at += recordHeaderBytes + key.length + value.length
      this.#records++
      // Read on in this table only: records of a chunk say their table, but `#waiting` does not.
      pair = this.#nextOfTable()
    }
    return this.#seal(kinds.records, chunk.subarray(0, at))
  }

  #nextPair(): Pair | null {
    if (this.#waiting !== null) {
      const pair = this.#waiting
      this.#waiting = null
      return pair
    }
    for (;;) {
      const pair = this.#nextOfTable()
      if (pair !== null) return pair
      const table = tables[++this.#table]
      if (table === undefined) return null
      this.#pairs = this.#view.scan(table, { start: emptyBytes, end: null })[Symbol.iterator]()
    }
  }

  #nextOfTable(): Pair | null {
    const result = this.#pairs?.next()
    return result === undefined || result.done === true ? null : result.value
  }

  #end(): Uint8Array {
    const chunk = Buffer.alloc(chunkHeaderBytes + 8)
    chunk.writeBigUInt64LE(BigInt(this.#records), chunkHeaderBytes)
    this.#ended = true
    return this.#seal(kinds.end, chunk)
  }

  #seal(kind: number, chunk: Buffer): Uint8Array {
    chunk.writeUInt32LE(magic, 4)
    chunk.writeUInt32LE(kind, 8)
    chunk.writeUInt32LE(this.#number++, 12)
    chunk.writeUInt32LE(chunk.length - chunkHeaderBytes, 16)
    this.#crc = crc32(chunk.subarray(4), this.#crc)
    chunk.writeUInt32LE(this.#crc, 0)
    return chunk
  }
}

const refuse = (what: string): never => {
  throw new StorageError('damaged', `snapshot: ${what}`)
}

/** Checks every byte of a received stream. */
export class SnapshotDecoder {
  #number = 0
  #crc = 0
  #records = 0
  #tables: readonly Table[] = []
  #lastTable = 0
  #lastKey: Uint8Array = emptyBytes
  #complete = false

  /** Whether the end mark has been read. */
  get complete(): boolean {
    return this.#complete
  }

  /**
   * @returns the chunk's records; their bytes are views of `chunk`.
   * @throws StorageError if the chunk is damaged, out of order or says what cannot be.
   */
  decode(chunk: Uint8Array): readonly SnapshotRecord[] {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    if (this.#complete) refuse('a chunk after the end')
    if (bytes.length < chunkHeaderBytes || bytes.readUInt32LE(4) !== magic) refuse('not a chunk')
    if (bytes.readUInt32LE(16) !== bytes.length - chunkHeaderBytes) refuse('a chunk of the wrong length')
    if (bytes.readUInt32LE(12) !== this.#number) refuse(`chunk ${bytes.readUInt32LE(12)} where ${this.#number} is due`)
    const crc = crc32(bytes.subarray(4), this.#crc)
    if (crc !== bytes.readUInt32LE(0)) refuse(`chunk ${this.#number} does not have its checksum`)
    this.#crc = crc
    const kind = bytes.readUInt32LE(8)
    const payload = bytes.subarray(chunkHeaderBytes)
    const first = this.#number++ === 0
    if (first !== (kind === kinds.tables)) refuse('the list of tables is not first')
    if (kind === kinds.records) return this.#decodeRecords(payload)
    if (kind === kinds.tables) this.#decodeTables(payload)
    else if (kind === kinds.end) this.#decodeEnd(payload)
    else refuse(`a chunk of unknown kind ${kind}`)
    return []
  }

  #decodeTables(payload: Buffer): void {
    const names = payload.toString('latin1').split(',')
    if (new Set(names).size !== names.length) refuse('a table twice')
    this.#tables = names.map(
      (name) => tables.find((table) => table === name) ?? refuse('a table that this version does not have'),
    )
  }

  #decodeRecords(payload: Buffer): SnapshotRecord[] {
    const records: SnapshotRecord[] = []
    for (let at = 0; at < payload.length; ) {
      if (payload.length - at < recordHeaderBytes) refuse('a record cut short')
      const number = payload[at]!
      const keyLength = payload.readUInt16LE(at + 1)
      const valueLength = payload.readUInt32LE(at + 3)
      const keyStart = at + recordHeaderBytes
      const valueStart = keyStart + keyLength
      if (valueLength > payload.length - valueStart) refuse('a record cut short')
      if (keyLength === 0 || keyLength > tableKeyBytesMax) refuse(`a key of ${keyLength} bytes`)
      const table = this.#tables[number] ?? refuse(`a record of table ${number}`)
      const key = payload.subarray(keyStart, valueStart)
      const inOrder = number > this.#lastTable || (number === this.#lastTable && compareBytes(key, this.#lastKey) > 0)
      if (!inOrder) refuse('records out of order')
      this.#lastTable = number
      this.#lastKey = key
      at = valueStart + valueLength
      records.push({ table, key, value: payload.subarray(valueStart, at) })
      this.#records++
    }
    // Its chunk may be reused by the caller.
    this.#lastKey = new Uint8Array(this.#lastKey)
    return records
  }

  #decodeEnd(payload: Buffer): void {
    if (payload.length !== 8 || payload.readBigUInt64LE(0) !== BigInt(this.#records)) refuse('records are missing')
    this.#complete = true
  }
}
