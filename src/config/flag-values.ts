import { ConfigError } from './config-error.ts'

const booleans: ReadonlyMap<string, boolean> = new Map([
  ...['1', 't', 'T', 'TRUE', 'true', 'True'].map((text) => [text, true] as const),
  ...['0', 'f', 'F', 'FALSE', 'false', 'False'].map((text) => [text, false] as const),
])

/** The spellings that Go's flag package takes. */
export function parseBool(flag: string, text: string): boolean {
  const value = booleans.get(text)
  if (value === undefined) throw new ConfigError(flag, `${JSON.stringify(text)} is neither true nor false`)
  return value
}

const unitMs: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['μs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
])

const durationPart = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y

/** Go's form of a duration (1h, 1.5s, 1m30s, 0). Not negative. */
export function parseDurationMs(flag: string, text: string): number {
  if (text === '0') return 0
  const refused = () => new ConfigError(flag, `${JSON.stringify(text)} is not a duration such as 500ms, 5s or 1h30m`)
  if (text.startsWith('-')) throw new ConfigError(flag, `${text} is negative`)
  let totalMs = 0
  let at = 0
  while (at < text.length) {
    durationPart.lastIndex = at
    const match = durationPart.exec(text)
    if (match === null) throw refused()
    totalMs += Number(match[1]) * (unitMs.get(match[2]!) ?? Number.NaN)
    at = durationPart.lastIndex
  }
  // A Go duration is 64 bits of nanoseconds.
  if (at === 0 || !Number.isFinite(totalMs) || totalMs > 9.22e12) throw refused()
  return totalMs
}
