import { InvalidArgumentError } from 'commander'

/** A whole number of up to six digits. */
export function count(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('It is not a number')
  return Number(text)
}

/** An empty path would be the current folder, and an empty command none: a variable of the caller's that is not set. */
export function given(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must not be empty')
  return text
}

/** For options that may be repeated. */
export const collect = (value: string, all: readonly string[] = []): string[] => [...all, value]
