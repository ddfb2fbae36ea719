import { createHash } from 'node:crypto'
import { type IndexEntry, indexEntrySchema } from './index-entry.ts'
import { PkiError } from './pki-error.ts'

/**
 * The index as text: one JSON object in a line, whose last field is a checksum over the line and the checksum before. A
 * line that is changed, lost, exchanged or half written is found when the index is read; that lines at the end are missing
 * is found by the certificates that are kept beside it.
 */
const checkField = /,"check":"([0-9a-f]{16})"\}$/

/** Checksum before the first line. */
export const firstCheck = '0'.repeat(16)

const checkOf = (before: string, body: string): string =>
  createHash('sha256').update(before).update(body).digest('hex').slice(0, 16)

/** @param before the checksum of the line before. */
export function indexLine(entry: IndexEntry, before: string): { readonly line: string; readonly check: string } {
  const body = JSON.stringify(entry).slice(0, -1)
  const check = checkOf(before, body)
  return { line: `${body},"check":"${check}"}\n`, check }
}

export interface IndexLines {
  readonly entries: readonly IndexEntry[]
  /** Of the last line. */
  readonly check: string
}

/** @throws PkiError with the number of the first line that is damaged. */
export function parseIndex(text: string): IndexLines {
  const { entries, damagedLines, check } = salvageIndex(text)
  if (damagedLines.length > 0) throw new PkiError(`line ${damagedLines[0]} is damaged`)
  return { entries, check }
}

/** All lines that make sense by themselves, whatever stands between them. */
export function salvageIndex(text: string): IndexLines & { readonly damagedLines: readonly number[] } {
  const entries: IndexEntry[] = []
  const damagedLines: number[] = []
  let before = firstCheck
  const lines = text.split('\n')
  // Each line ends with a line end: what follows the last one is a line that was not written whole.
  const rest = lines.pop()
  for (const [i, line] of lines.entries()) {
    const match = checkField.exec(line)
    const check = match?.[1] ?? before
    if (match === null || check !== checkOf(before, line.slice(0, match.index))) damagedLines.push(i + 1)
    const entry = entryOf(line)
    if (entry !== null) entries.push(entry)
    else if (damagedLines.at(-1) !== i + 1) damagedLines.push(i + 1)
    before = check
  }
  if (rest !== '') damagedLines.push(lines.length + 1)
  return { entries, damagedLines, check: before }
}

function entryOf(line: string): IndexEntry | null {
  try {
    const { check: _, ...body } = JSON.parse(line)
    return indexEntrySchema.safeParse(body).data ?? null
  } catch {
    return null
  }
}
