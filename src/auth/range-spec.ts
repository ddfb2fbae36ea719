import { prefixEnd } from '../base/bytes.ts'
import { isEmptyRange, type KeyRange, pointRange, rangeFromWire } from '../base/key-range.ts'

/**
 * A range as people write it in policies and tokens: exactly one of one key, all keys with a prefix, all keys from one on
 * (before another), and all keys there are.
 */
export interface RangeSpec {
  readonly key?: string
  readonly prefix?: string
  readonly from?: string
  /** First key that is not in it; absent: there is none. */
  readonly to?: string
  readonly all?: true
  /** Of the others; absent: utf8. */
  readonly encoding?: 'utf8' | 'base64'
}

/** What is wrong with a range, in one line. */
export class RangeSpecError extends Error {
  override readonly name = 'RangeSpecError'
}

const forms = ['key', 'prefix', 'from', 'all'] as const
const names: ReadonlySet<string> = new Set([...forms, 'to', 'encoding'])
/** etcd's word for a range without an end. */
const noEnd = Uint8Array.of(0)

/**
 * @param value what JSON or YAML gave.
 * @throws RangeSpecError
 */
export function parseRangeSpec(value: unknown): KeyRange {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RangeSpecError('a range is an object with key, prefix, from or all')
  }
  const spec = new Map<string, unknown>(Object.entries(value))
  for (const name of spec.keys()) if (!names.has(name)) throw new RangeSpecError(`a range has no ${quoted(name)}`)
  const given = forms.filter((form) => spec.has(form))
  const [form] = given
  if (form === undefined) throw new RangeSpecError('a range needs key, prefix, from or all')
  if (given.length > 1) throw new RangeSpecError(`a range has one of ${forms.join(', ')}, not ${given.join(' and ')}`)
  if (spec.has('to') && form !== 'from') throw new RangeSpecError('to goes with from only')
  const decode = decoderOf(spec.get('encoding'))
  if (form === 'all') {
    if (spec.get('all') !== true) throw new RangeSpecError('all can only be true')
    return allKeys
  }
  const start = decode(form, spec.get(form))
  if (start.length === 0) throw new RangeSpecError(`${form} is empty${form === 'key' ? '' : ': for all keys say all'}`)
  if (form === 'key') return pointRange(start)
  if (form === 'prefix') return { start, end: prefixEnd(start), isPoint: false }
  const range = { start, end: spec.has('to') ? decode('to', spec.get('to')) : null, isPoint: false }
  if (range.end?.length === 0) throw new RangeSpecError('to is empty: a range without an end has no to')
  if (isEmptyRange(range)) throw new RangeSpecError('to is not after from: there is no key in it')
  return range
}

/** From the smallest key there can be. */
const allKeys: KeyRange = rangeFromWire(noEnd, noEnd)

/** The readable form: `parseRangeSpec` of it is the same range. */
export function rangeSpecOf({ start, end, isPoint }: KeyRange): RangeSpec {
  const parts = end === null || isPoint ? [start] : [start, end]
  const encoding = parts.every(isText) ? null : 'base64'
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString(encoding ?? 'utf8')
  const said = encoding === null ? {} : ({ encoding } as const)
  if (isPoint) return { key: text(start), ...said }
  const after = prefixEnd(start)
  if (end === null) {
    if (start.length === 0 || (start.length === 1 && start[0] === 0)) return { all: true }
    return after === null ? { prefix: text(start), ...said } : { from: text(start), ...said }
  }
  if (after !== null && Buffer.compare(after, end) === 0) {
    // The end of a prefix need not be text for the prefix to be.
    return isText(start) ? { prefix: Buffer.from(start).toString() } : { prefix: text(start), ...said }
  }
  return { from: text(start), to: text(end), ...said }
}

/** As etcd's messages have it. */
export const wireRangeOf = ({
  start,
  end,
  isPoint,
}: KeyRange): { readonly key: Uint8Array; readonly range_end: Uint8Array } => ({
  key: start,
  range_end: isPoint ? new Uint8Array(0) : (end ?? noEnd),
})

function isText(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString('utf8')
  // No control characters: they would not survive being shown.
  return !/\p{Cc}/u.test(text) && Buffer.from(text, 'utf8').equals(bytes)
}

function decoderOf(encoding: unknown): (name: string, value: unknown) => Uint8Array {
  if (encoding !== undefined && encoding !== 'utf8' && encoding !== 'base64') {
    throw new RangeSpecError('encoding is utf8 or base64')
  }
  return (name, value) => {
    if (typeof value !== 'string') throw new RangeSpecError(`${name} is not text`)
    if (encoding !== 'base64') return Buffer.from(value, 'utf8')
    const bytes = Buffer.from(value, 'base64')
    if (bytes.toString('base64') !== value) throw new RangeSpecError(`${name} is not base64`)
    return bytes
  }
}

const quoted = (name: string): string => JSON.stringify(name.slice(0, 40))
