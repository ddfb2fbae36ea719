/** What the trail says of itself, between the records of what callers did. Each is one line, its newline included. */

export interface Recovered {
  readonly file: number
  /** Lines without a good seal that were found and kept. */
  readonly lines: number
  /** Of the line that was cut off in its middle. */
  readonly cutBytes: number
  readonly cutSha256: string
  /** When the last checkpoint before was made; null: there is none in the file. What came after it was unsigned. */
  readonly signedUntil: string | null
}

const line = (kind: string, time: string, fields: Readonly<Record<string, unknown>>): string =>
  `${JSON.stringify({ kind, time, ...fields })}\n`

/** The member begins to write; `policy` is the SHA-256 of the rules' file, null without one. */
export const startedLine = (
  time: string,
  fields: { readonly name: string; readonly version: string; readonly mode: string; readonly policy: string | null },
): string => line('start', time, fields)

/** Other rules are in use from now on. */
export const policyLine = (time: string, policy: string | null): string => line('policy', time, { policy })

/** The member did not stop by itself the last time. */
export const recoveredLine = (time: string, recovered: Recovered): string => line('recovered', time, { ...recovered })

/** The file before this one is not as it was left. */
export const damagedLine = (time: string, file: number, at: number, what: string): string =>
  line('damaged', time, { file, line: at, what })

/** So many records are missing here. */
export const lostLine = (
  time: string,
  fields: { readonly records: number; readonly since: string; readonly why: string },
): string => line('lost', time, fields)

/** All kinds of lines, but for begin and seal lines, that a trail may have. */
export const recordKinds: ReadonlySet<unknown> = new Set([
  ...['start', 'policy', 'recovered', 'damaged', 'lost'],
  ...['call', 'decision', 'watch', 'refused connection'],
])
