import { recordKinds } from './own-records.ts'
import { type ChainPosition, type FileContents, readTrailFile } from './read-file.ts'
import { fileName, noHash, type Seal, unsignedMsMax } from './seal.ts'
import { isSignedBy, type VerificationKeys } from './signing-key.ts'
import { NoTrailFileError, type TrailFolder } from './trail-folder.ts'

/** The first thing that is wrong. */
export interface Damage {
  readonly file: string
  /** From 1; 0: it concerns the file as a whole. */
  readonly line: number
  readonly what: string
}

/** What was found of a trail. */
export interface Verdict {
  readonly damage: Damage | null
  readonly files: number
  readonly records: number
  /** The newest one that is good, as `expected` takes it. Null: there is none. */
  readonly checkpoint: { readonly head: string; readonly time: string; readonly file: string } | null
  /** Records behind the newest checkpoint: their chain is whole, but whoever can write the files could have made it. */
  readonly unprovenRecords: number
  /** Whether nothing is wrong but the end of the last file, which may be in the middle of being written. */
  readonly isUnfinished: boolean
  /** Whether the trail ends where the member ended it. Otherwise the member runs, was killed, or the end is missing. */
  readonly isEnded: boolean
}

/**
 * Follows a trail from its oldest file to its end: every byte, the numbers of files, seals and records, and the signatures
 * of the checkpoints.
 *
 * What no look at the files alone can tell is whether what came after the newest checkpoint was cut off: a trail of yesterday
 * is a good trail. Hence `expected`.
 *
 * @param expected a checkpoint that was seen before, as `number:hash`: the trail must have it.
 */
export function verifyTrail(folder: TrailFolder, keys: VerificationKeys, expected: string | null = null): Verdict {
  const files = folder.list()
  let records = 0
  let last: FileContents | null = null
  let checkpoint: Verdict['checkpoint'] = null
  let signedRecords = 0
  let unsignedSinceMs: number | null = null
  let at: ChainPosition | null = files[0] === 1 ? { hash: noHash, seals: 0, records: 0 } : null
  let trail: string | null = null
  let expectedIsThere = expected === null
  let sealsBefore = 0
  const verdict = (damage: Damage | null, isUnfinished = false): Verdict => ({
    damage,
    isUnfinished,
    files: files.length,
    records,
    checkpoint,
    unprovenRecords: records - signedRecords,
    isEnded: damage === null && last?.lastSeal?.end === 'stop',
  })
  const damaged = (file: string, line: number, what: string, isUnfinished = false): Verdict =>
    verdict({ file, line, what }, isUnfinished)

  if (files.length === 0) return damaged('', 0, 'there is no trail here')
  for (const [index, number] of files.entries()) {
    const file = fileName(number)
    if (index > 0 && number !== files[index - 1]! + 1) {
      return damaged(fileName(files[index - 1]! + 1), 0, 'the file is missing')
    }
    const checkSeal = (seal: Seal): string | null => {
      const what = checkpointProblem(seal, keys)
      if (what !== null) return what
      const head = `${seal.seal}:${seal.hash}`
      expectedIsThere ||= head === expected
      if (seal.signature === null) {
        const timeMs = Date.parse(seal.time)
        unsignedSinceMs ??= timeMs
        return timeMs - unsignedSinceMs > unsignedMsMax ? 'no checkpoint comes, long after it was due' : null
      }
      unsignedSinceMs = null
      checkpoint = { head, time: seal.time, file }
      signedRecords = seal.records
      return null
    }
    const isLast = index === files.length - 1
    const bytes = bytesOf(folder, number)
    if (bytes === null) return damaged(file, 0, 'is no regular file')
    last = readTrailFile(bytes, at, checkSeal)
    const { begin, problem } = last
    records = last.position.records
    if (problem !== null) return damaged(file, problem.line, problem.what)
    if (begin === null) return damaged(file, 0, isLast ? hardlyBegun : 'the file has no whole line', isLast)
    if (begin.file !== number) return damaged(file, 1, `it was written as ${fileName(begin.file)}`)
    if (trail !== null && begin.trail !== trail) return damaged(file, 1, 'it is of another trail')
    trail = begin.trail
    if (index === 0) {
      sealsBefore = begin.seals
      // The oldest file goes on from it, which its checkpoints say, too.
      expectedIsThere ||= `${begin.seals}:${begin.previous}` === expected
    }
    if (isLast && begin.oldest < files[0]!) {
      return damaged(fileName(begin.oldest), 0, 'the file is missing: it was not yet to be removed')
    }
    const { lastSeal, tornBytes, unsealedLines, sealedLines } = last
    const line = sealedLines + 1
    if (unsealedLines > 0) {
      const strange = strangeLine(bytes, last)
      if (strange !== null) return damaged(file, line + strange, 'is no line of a trail')
      return damaged(file, line, `${unsealedLines} lines without a seal${isLast ? asAfterACrash : ''}`, isLast)
    }
    if (tornBytes > 0) return damaged(file, line, `a part of a line${isLast ? asAfterACrash : ''}`, isLast)
    if (!isLast && lastSeal?.end !== 'file') return damaged(file, line, 'the end of the file is missing')
    at = last.position
  }
  if (checkpoint === null) return damaged(fileName(files.at(-1)!), 0, 'there is no checkpoint')
  if (!expectedIsThere) {
    const isTooOld = Number(expected!.split(':', 1)[0]) < sealsBefore
    const why = isTooOld ? ': it is older than the oldest file that is kept' : ''
    return damaged(fileName(files.at(-1)!), 0, `checkpoint ${expected} is not in the trail${why}`)
  }
  return verdict(null)
}

/** @returns null: it is none of a trail. */
function bytesOf(folder: TrailFolder, file: number): Buffer | null {
  try {
    return folder.read(file)
  } catch (error) {
    if (error instanceof NoTrailFileError) return null
    throw error
  }
}

const asAfterACrash = ': as after a crash; the member mends that, and says so, when it starts again'
const hardlyBegun = `it was hardly begun${asAfterACrash}`

function checkpointProblem(seal: Seal, keys: VerificationKeys): string | null {
  if (seal.signature === null || seal.key === null) {
    return seal.end === '' ? null : 'an end that is not signed'
  }
  const key = keys.get(seal.key)
  if (key === undefined) return `a checkpoint of another key: ${seal.key}`
  return isSignedBy(key, seal.hash, seal.signature) ? null : 'a checkpoint with a wrong signature'
}

/** The first of the lines without a seal, from 0, that no member wrote; null: any of them may be one's. */
function strangeLine(bytes: Buffer, { sealedBytes, tornBytes }: FileContents): number | null {
  const lines = bytes.toString('utf8', sealedBytes, bytes.length - tornBytes).split('\n')
  lines.pop()
  const strange = lines.findIndex((line) => !isRecord(line))
  return strange === -1 ? null : strange
}

function isRecord(line: string): boolean {
  try {
    const record: unknown = JSON.parse(line)
    return typeof record === 'object' && record !== null && 'kind' in record && recordKinds.has(record.kind)
  } catch {
    return false
  }
}
