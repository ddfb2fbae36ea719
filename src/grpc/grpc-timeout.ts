/** The longest time that a timer takes: over three weeks. A later deadline is as good as none. */
const timeoutMsMax = 0x7fffffff
/** Eight digits and a unit. */
const lengthMax = 9

const msPerUnit = new Map([
  ['H', 3_600_000],
  ['M', 60_000],
  ['S', 1000],
  ['m', 1],
  ['u', 1e-3],
  ['n', 1e-6],
])

/**
 * Reads a `grpc-timeout`.
 *
 * @returns milliseconds, whole and rounded up, at most what a timer takes; or, as a string, what is wrong with it.
 * @source gRPC over HTTP/2, "Timeout"; the words are those of grpc-go's decodeTimeout.
 */
export function parseTimeout(text: string): number | string {
  if (text.length < 2) return `transport: timeout string is too short: ${JSON.stringify(text)}`
  if (text.length > lengthMax) return `transport: timeout string is too long: ${JSON.stringify(text)}`
  const unitMs = msPerUnit.get(text.at(-1)!)
  if (unitMs === undefined) return `transport: timeout unit is not recognized: ${JSON.stringify(text)}`
  const digits = text.slice(0, -1)
  if (!/^\d+$/.test(digits)) return `strconv.ParseUint: parsing ${JSON.stringify(digits)}: invalid syntax`
  return Math.min(Math.ceil(Number(digits) * unitMs), timeoutMsMax)
}
