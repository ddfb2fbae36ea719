import { type DerValue, tags } from './der-value.ts'

const utcTime = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
const generalizedTime = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/

/**
 * Milliseconds since the epoch, of whole seconds in UTC: no other form is allowed in certificates.
 *
 * @source RFC 5280 section 4.1.2.5; two digits of a year mean 1950 to 2049.
 */
export function timeOf(value: DerValue): number {
  const isUtc = value.tag === tags.utcTime
  if (!isUtc) value.expect(tags.generalizedTime)
  const text = value.content.toString('latin1')
  const match = (isUtc ? utcTime : generalizedTime).exec(text)
  if (match === null) throw value.damage('a malformed time')
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [number, ...number[]]
  const fullYear = isUtc ? year + (year < 50 ? 2000 : 1900) : year
  const time = new Date(0)
  // Not Date.UTC, which takes the years 0 to 99 for those of the last century.
  time.setUTCFullYear(fullYear, month! - 1, day)
  time.setUTCHours(hour!, minute, second)
  const back = time.toISOString().replace(/[-:T]|\.\d+/g, '')
  if (!back.endsWith(text)) throw value.damage('a time that does not exist')
  return time.getTime()
}
