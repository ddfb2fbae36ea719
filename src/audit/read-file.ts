import { type Begin, parseBegin, parseSeal, type Seal, sealHash, sealHead, sealPrefix } from './seal.ts'

/** Where the chain stands. */
export interface ChainPosition {
  /** Of the last seal. */
  readonly hash: string
  readonly seals: number
  /** Covered by seals. */
  readonly records: number
}

/** What is wrong with a file, and where. */
export interface FileProblem {
  /** From 1. */
  readonly line: number
  readonly what: string
}

export interface FileContents {
  /** Null: the file has no whole line. */
  readonly begin: Begin | null
  /** After the last good seal. */
  readonly position: ChainPosition
  readonly lastSeal: Seal | null
  readonly lastCheckpoint: Seal | null
  /** Up to the end of the last good seal. */
  readonly sealedBytes: number
  readonly sealedLines: number
  /** Whole lines after the last seal, and bytes after the last newline. */
  readonly unsealedLines: number
  readonly tornBytes: number
  /** The first one; nothing after it has been looked at. */
  readonly problem: FileProblem | null
}

const newline = 0x0a
const sealPrefixBytes = Buffer.from(sealPrefix)

/**
 * Follows the chain through one file, in a time that grows with its size alone.
 *
 * @param at where the chain stood at the end of the file before; null: what the begin line says is believed.
 * @param checkSeal gives a reason against a seal whose hash is right; null: there is none.
 */
export function readTrailFile(
  bytes: Buffer,
  at: ChainPosition | null,
  checkSeal: (seal: Seal) => string | null = () => null,
): FileContents {
  let begin: Begin | null = null
  let position: ChainPosition = at ?? { hash: '', seals: 0, records: 0 }
  let lastSeal: Seal | null = null
  let lastCheckpoint: Seal | null = null
  let sealedBytes = 0
  let sealedLines = 0
  let line = 0
  let lineStart = 0
  let problem: FileProblem | null = null
  for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, lineStart)) {
    const from = lineStart
    line++
    lineStart = end + 1
    if (line === 1) {
      begin = parseBegin(bytes.toString('utf8', 0, lineStart))
      if (begin === null) problem = { line, what: 'is no begin line' }
      else if (at === null) position = { hash: begin.previous, seals: begin.seals, records: begin.records }
      else if (begin.previous !== at.hash || begin.seals !== at.seals || begin.records !== at.records)
        problem = { line, what: 'does not go on where the file before ends' }
      if (problem !== null) break
      continue
    }
    // Too short for a seal; at the end of a file, too short to be compared with the beginning of one.
    if (lineStart - from < sealPrefixBytes.length) continue
    if (bytes.compare(sealPrefixBytes, 0, sealPrefixBytes.length, from, from + sealPrefixBytes.length) !== 0) continue
    const seal = parseSeal(bytes.toString('utf8', from, lineStart))
    const covered = line - 1 - sealedLines
    const block = bytes.subarray(sealedBytes, from)
    const records = position.records + covered - (sealedLines === 0 ? 1 : 0)
    const what =
      whatIsWrong(seal, { ...position, records }, covered, block, lastSeal, position.hash) ?? checkSeal(seal!)
    if (what !== null) {
      const first = sealedLines + 1
      problem = { line: first, what: covered === 0 ? what : `up to line ${line}: ${what}` }
      break
    }
    position = { hash: seal!.hash, seals: seal!.seal, records }
    lastSeal = seal
    if (seal!.signature !== null) lastCheckpoint = seal
    sealedBytes = lineStart
    sealedLines = line
  }
  const isWhole = problem === null
  return {
    begin,
    position,
    lastSeal,
    lastCheckpoint,
    sealedBytes,
    sealedLines,
    unsealedLines: isWhole ? line - sealedLines : 0,
    tornBytes: isWhole ? bytes.length - lineStart : 0,
    problem,
  }
}

function whatIsWrong(
  seal: Seal | null,
  next: ChainPosition,
  covered: number,
  block: Uint8Array,
  before: Seal | null,
  previous: string,
): string | null {
  if (seal === null) return 'the seal is not written as seals are'
  if (before?.end === 'file') return 'lines follow the end of the file'
  if (seal.seal !== next.seals + 1) return `seal ${seal.seal} where seal ${next.seals + 1} belongs`
  if (seal.hash !== sealHash(previous, [block], sealHead(seal))) return 'not the bytes that were sealed'
  if (seal.lines !== covered || seal.records !== next.records) return 'the seal counts other lines'
  return null
}
