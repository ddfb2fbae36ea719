import { createHash } from 'node:crypto'
import { emptyBytes } from '../base/bytes.ts'
import { damagedLine, lostLine, recoveredLine } from './own-records.ts'
import { type ChainPosition, readTrailFile } from './read-file.ts'
import { beginLine, fileName, noHash, type SealEnd, sealHash, sealHead, sealLine, unsignedMsMax } from './seal.ts'
import type { SigningKey } from './signing-key.ts'
import type { TrailFile, TrailFolder } from './trail-folder.ts'

export interface TrailOptions {
  readonly folder: TrailFolder
  readonly key: SigningKey
  /** In hex. */
  readonly member: string
  /** For a trail that does not exist yet; a UUID. */
  readonly newTrailId: string
  readonly fileBytesMax: number
  readonly fileAgeMsMax: number
  /** Older files are removed; null: all are kept. */
  readonly filesMax: number | null
  /** Since the epoch. */
  readonly nowMs: () => number
}

/** Lines, and how many records they are. */
export interface Batch {
  readonly bytes: Uint8Array
  readonly records: number
}

const nothingKept: { readonly lines: number; readonly bytes: Uint8Array } = { lines: 0, bytes: emptyBytes }

const wasRemoved = 'was removed or replaced while it was written'

/** A begin line and its seal are shorter: a longer file without a seal was not left so by a crash. */
const stumpBytesMax = 1024

/**
 * One trail that is being written. A block of lines and its seal are one write; if that fails, nothing of it counts, and
 * the next one says how many records were lost. All errors thrown are the system's.
 */
export class Trail {
  readonly #options: TrailOptions
  #trailId: string
  #file: TrailFile | null = null
  #number = 0
  #oldest = 1
  #size = 0
  #openedMs = 0
  #position: ChainPosition = { hash: noHash, seals: 0, records: 0 }
  /** Of the first seal behind the newest checkpoint; null: there is none. */
  #unsignedSinceMs: number | null = null
  #unsynced = false
  #isEnded = false
  /** Lines that the run before left without a seal: the next one covers them. */
  #kept = nothingKept
  /** Something may stand behind `#size` in the file. */
  #hasRest = false
  /** Lines that the trail says of itself, which the next write begins with. */
  #owed: readonly string[] = []
  #lost: { records: number; readonly sinceMs: number; readonly why: string } | null = null
  /** What was found when it was opened, in one line each; for the log. */
  readonly findings: string[] = []

  private constructor(options: TrailOptions) {
    this.#options = options
    this.#trailId = options.newTrailId
  }

  /** Goes on where the last run ended, and says in the trail if that was no clean end. */
  static open(options: TrailOptions): Trail {
    const trail = new Trail(options)
    const number = options.folder.list().at(-1)
    if (number === undefined) trail.#begin(1)
    else trail.#goOnAfter(number)
    return trail
  }

  get time(): string {
    return new Date(this.#options.nowMs()).toISOString()
  }

  /** The newest seal, as `verify --expect` takes it. */
  get head(): string {
    return `${this.#position.seals}:${this.#position.hash}`
  }

  get records(): number {
    return this.#position.records
  }

  /** Whether there is a seal that no checkpoint stands for. */
  get isUnsigned(): boolean {
    return this.#unsignedSinceMs !== null
  }

  /** Records of a batch that never came so far. */
  noteLost(records: number, why: string): void {
    if (this.#lost === null) this.#lost = { records, sinceMs: this.#options.nowMs(), why }
    else this.#lost.records += records
  }

  /** Writes and seals; if it throws, the records count as lost, but those that were handed in are not in the trail. */
  append(batches: readonly Batch[]): void {
    try {
      if (this.#isFull()) this.#rotate()
      this.#write(batches, '', false)
    } catch (error) {
      this.noteLost(
        batches.reduce((sum, { records }) => sum + records, 0),
        (error as NodeJS.ErrnoException).code ?? 'error',
      )
      throw error
    }
  }

  /** Returns when what was appended is on stable storage, where it is found. */
  sync(): void {
    if (!this.#unsynced) return
    this.#file?.sync()
    if (this.#file?.isThere() === false) this.#giveUp()
    this.#unsynced = false
  }

  /** The next write begins another file. @throws Error always. */
  #giveUp(): never {
    this.close()
    this.#owe(damagedLine(this.time, this.#number, 0, wasRemoved))
    this.#unsynced = false
    throw Object.assign(new Error(`${fileName(this.#number)} was removed or replaced`), { code: 'ENOENT' })
  }

  /** Signs all that there is, durably. */
  checkpoint(end: SealEnd = ''): void {
    // The file before has ended, and no other could be made yet.
    if (this.#file === null) this.#rotate()
    this.#write([], end, true)
    this.sync()
  }

  close(): void {
    this.#file?.close()
    this.#file = null
  }

  #isFull(): boolean {
    const { fileBytesMax, fileAgeMsMax, nowMs } = this.#options
    return this.#file === null || this.#size >= fileBytesMax || nowMs() - this.#openedMs >= fileAgeMsMax
  }

  #rotate(): void {
    if (this.#file !== null) {
      // An end that was written and not flushed stays the end.
      if (!this.#isEnded) this.#write([], 'file', true)
      this.sync()
      this.close()
    }
    this.#begin(this.#number + 1)
  }

  /** A file of a lower number than `number` is the last one that counts. */
  #begin(number: number): void {
    const { folder, filesMax } = this.#options
    const oldest = filesMax === null ? this.#oldest : Math.max(this.#oldest, number - filesMax + 1)
    const file = folder.open(number, 'create')
    this.#file = file
    this.#number = number
    this.#size = 0
    this.#openedMs = this.#options.nowMs()
    this.#isEnded = false
    const before = this.#position
    const owed = this.#owed
    const { hash: previous, seals, records } = this.#position
    const { member } = this.#options
    const begin = { trail: this.#trailId, file: number, oldest, previous, seals, records, member, time: this.time }
    try {
      this.#write([{ bytes: Buffer.from(beginLine(begin)), records: 0 }], '', true)
      this.sync()
      folder.sync()
    } catch (error) {
      // The next try makes the same file.
      this.close()
      this.#position = before
      this.#number = number - 1
      this.#owed = owed
      if (folder.list().includes(number)) folder.remove(number)
      throw error
    }
    this.#oldest = oldest
    try {
      for (const old of folder.list()) if (old < oldest) folder.remove(old)
    } catch {
      // The next file takes them along.
    }
  }

  #write(batches: readonly Batch[], end: SealEnd, mustSign: boolean): void {
    const file = this.#file!
    if (this.#hasRest) {
      file.truncate(this.#size)
      this.#hasRest = false
    }
    const { key } = this.#options
    const nowMs = this.#options.nowMs()
    const time = new Date(nowMs).toISOString()
    const unsignedMs = nowMs - (this.#unsignedSinceMs ?? nowMs)
    const pieces = batches.map(({ bytes }) => bytes)
    let records = batches.reduce((sum, batch) => sum + batch.records, this.#kept.lines)
    const isFirst = this.#size === 0
    // A begin line stays the first.
    const lost = isFirst ? null : this.#lost
    const owed = isFirst ? [] : this.#owed
    const isSigned = mustSign || owed.length > 0 || unsignedMs < 0 || unsignedMs > unsignedMsMax
    if (lost !== null) {
      const since = new Date(lost.sinceMs).toISOString()
      pieces.unshift(Buffer.from(lostLine(time, { records: lost.records, since, why: lost.why })))
      records++
    }
    pieces.unshift(...owed.map((line) => Buffer.from(line)))
    records += owed.length
    const fields = {
      seal: this.#position.seals + 1,
      lines: records + (isFirst ? 1 : 0),
      records: this.#position.records + records,
      time,
      end,
      key: isSigned ? key.fingerprint : null,
    }
    const hash = sealHash(this.#position.hash, [this.#kept.bytes, ...pieces], sealHead(fields))
    const seal = sealLine({ ...fields, hash, signature: isSigned ? key.sign(hash) : null })
    const block = Buffer.concat([...pieces, Buffer.from(seal)])
    this.#hasRest = true
    file.write(block, this.#size)
    this.#hasRest = false
    this.#size += block.length
    this.#position = { hash, seals: fields.seal, records: fields.records }
    this.#kept = nothingKept
    this.#isEnded = end === 'file'
    this.#unsignedSinceMs = isSigned ? null : (this.#unsignedSinceMs ?? nowMs)
    this.#unsynced = true
    if (lost !== null) this.#lost = null
    if (owed.length > 0) this.#owed = []
  }

  #goOnAfter(number: number): void {
    const { folder } = this.#options
    const bytes = folder.read(number)
    const found = readTrailFile(bytes, null)
    const { begin, problem } = found
    this.#number = number
    if (found.lastSeal === null) {
      const isStump = problem === null && found.unsealedLines <= 1 && bytes.length <= stumpBytesMax
      this.#takeOver(folder.list().at(-2) ?? null)
      if (isStump) this.#replaceStump(number, bytes)
      else this.#beginAfterDamage(number, problem?.line ?? 1, problem?.what ?? 'has no seal')
      return
    }
    this.#trailId = begin!.trail
    this.#oldest = begin!.oldest
    this.#position = found.position
    if (problem !== null) {
      this.#beginAfterDamage(number, problem.line, problem.what)
      return
    }
    const { end } = found.lastSeal
    const isMore = bytes.length > found.sealedBytes
    if (end === 'file') {
      if (isMore) this.#beginAfterDamage(number, found.sealedLines + 1, 'something follows the end of the file')
      return
    }
    const wholeBytes = bytes.length - found.tornBytes
    this.#file = folder.open(number, 'append')
    this.#openedMs = Date.parse(begin!.time)
    this.#size = wholeBytes
    this.#hasRest = found.tornBytes > 0
    this.#kept = { lines: found.unsealedLines, bytes: bytes.subarray(found.sealedBytes, wholeBytes) }
    // Behind a clean end is the beginning of a run that crashed at once, or what somebody has added: the next seal covers it.
    if (end === 'stop' && !isMore) return
    const cut = bytes.subarray(wholeBytes)
    const recovered = {
      file: number,
      lines: found.unsealedLines,
      cutBytes: cut.length,
      cutSha256: createHash('sha256').update(cut).digest('hex'),
      signedUntil: found.lastCheckpoint?.time ?? null,
    }
    this.findings.push(
      `it does not end as a run ends it: ${recovered.lines} lines without a seal, ${recovered.cutBytes} bytes cut off`,
    )
    this.#say(recoveredLine(this.time, recovered))
  }

  /** The chain goes on behind that file. */
  #takeOver(number: number | null): void {
    if (number === null) return
    const { begin, position } = readTrailFile(this.#options.folder.read(number), null)
    if (begin === null) return
    this.#trailId = begin.trail
    this.#oldest = begin.oldest
    this.#position = position
  }

  /** What was changed stays as it is, for whoever looks into it. */
  #beginAfterDamage(number: number, line: number, what: string): void {
    this.findings.push(`${fileName(number)}:${line}: ${what}`)
    this.#say(damagedLine(this.time, number, line, what))
  }

  /** The last file was hardly begun when the member ended: it makes room for a new one of its number. */
  #replaceStump(number: number, stump: Buffer): void {
    this.#options.folder.remove(number)
    this.#number = number - 1
    this.findings.push(`${fileName(number)} was hardly begun: ${stump.length} bytes cut off`)
    const cutSha256 = createHash('sha256').update(stump).digest('hex')
    this.#say(
      recoveredLine(this.time, { file: number, lines: 0, cutBytes: stump.length, cutSha256, signedUntil: null }),
    )
  }

  /** In the trail, signed: what is said there is of the trail itself. Where that cannot be now, the next write does it. */
  #say(line: string): void {
    this.#owe(line)
    try {
      this.checkpoint()
    } catch {
      // Whoever writes next learns why not.
    }
  }

  #owe(line: string): void {
    this.#owed = [...this.#owed, line]
  }
}
