import { limits } from '../base/limits.ts'

/** Where in a policy file: both from 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** One thing that is wrong. */
export interface Problem {
  readonly place: Place
  /** One line. */
  readonly message: string
}

export const fileBegin: Place = { line: 1, column: 1 }

/** What cannot be read as a policy. Nothing is taken from a file that has a problem. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError'
  /** The first ones, at least one and at most 20, in order of their places. */
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[], options?: { cause?: unknown }) {
    const sorted = [...problems].sort((a, b) => a.place.line - b.place.line || a.place.column - b.place.column)
    const { place, message } = sorted[0]!
    const more = sorted.length > 1 ? ` (and ${sorted.length - 1} more)` : ''
    super(`${placeText(place)}: ${message}${more}`, options)
    this.problems = sorted.slice(0, problemsMax)
  }
}

const problemsMax = 20

export const placeText = ({ line, column }: Place): string => `${line}:${column}`

/**
 * A name from a file or a cluster as it may reach a terminal: in quotes, with what does not print escaped. As long as a name may be
 * it is whole: two that begin alike must not look alike.
 */
export const quoted = (name: string): string => {
  const shown = name.length > limits.authNameBytesMax ? `${name.slice(0, limits.authNameBytesMax)}…` : name
  const more = shown === name ? '' : ` (${name.length} characters)`
  return `${JSON.stringify(shown).replace(unprintable, escaped)}${more}`
}
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu
const escaped = (character: string): string =>
  [...character].map((each) => `\\u{${each.codePointAt(0)!.toString(16)}}`).join('')
