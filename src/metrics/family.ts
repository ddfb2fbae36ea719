import type { Histogram } from '../base/histogram.ts'

export type Labels = Readonly<Record<string, string>>

/** One line of output, without the name. */
export interface Sample {
  readonly labels?: Labels
  readonly value: number
  /** Behind the family's name, for the lines of a histogram. */
  readonly suffix?: '_bucket' | '_sum' | '_count'
}

/** All values of one name. */
export interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  /** Called whenever somebody looks. */
  samples(): Iterable<Sample>
}

type Read = () => number | boolean

const single = (type: 'counter' | 'gauge', name: string, help: string, read: Read): Family => ({
  name,
  help,
  type,
  samples: () => [{ value: Number(read()) }],
})

export const gauge = (name: string, help: string, read: Read): Family => single('gauge', name, help, read)

export const counter = (name: string, help: string, read: Read): Family => single('counter', name, help, read)

/** A 1 whose labels are the news. */
export const info = (name: string, help: string, labels: Labels): Family => ({
  name,
  help,
  type: 'gauge',
  samples: () => [{ labels, value: 1 }],
})

/** A histogram's lines; of several that were counted apart (with the same bounds), those of all together. */
export function* histogramSamples(parts: readonly Histogram[], labels: Labels = {}): Generator<Sample> {
  const first = parts[0]
  if (first === undefined) return
  const counts = parts.map((part) => part.counts)
  let total = 0
  for (const [bucket, bound] of [...first.bounds, Number.POSITIVE_INFINITY].entries()) {
    for (const each of counts) total += each[bucket]!
    const le = bound === Number.POSITIVE_INFINITY ? '+Inf' : String(bound)
    yield { labels: { ...labels, le }, value: total, suffix: '_bucket' }
  }
  yield { labels, value: parts.reduce((sum, part) => sum + part.sum, 0), suffix: '_sum' }
  yield { labels, value: total, suffix: '_count' }
}

export const histogram = (name: string, help: string, counted: Histogram): Family => ({
  name,
  help,
  type: 'histogram',
  samples: () => histogramSamples([counted]),
})
