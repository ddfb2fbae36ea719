import { createHash } from 'node:crypto'
import type { Need, Operation } from '../auth/operation.ts'
import { rangeSpecOf } from '../auth/range-spec.ts'
import { formatId } from '../base/ids.ts'
import type { KeyRange } from '../base/key-range.ts'
import { limits } from '../base/limits.ts'

/** Parts of records as JSON text, put together by hand: they are made for every request. */

let lastMs = 0
let lastText = ''

/** Many records are of the same millisecond. */
export function timeText(nowMs: number): string {
  if (nowMs !== lastMs) {
    lastMs = nowMs
    lastText = new Date(nowMs).toISOString()
  }
  return lastText
}

const plain = /^[ !#-[\]-~]*$/

/** JSON in which what changes how a text is shown (control characters, bidirectional marks) is escaped, too. */
export const visible = (json: string): string =>
  json.replace(
    /[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

/** Names and the like. */
export const textJson = (text: string): string => (plain.test(text) ? `"${text}"` : visible(JSON.stringify(text)))

/** A range in the form of `RangeSpec`. Of one with a key that is too long, the beginning of the key, and the rest as a hash. */
export function rangeJson(range: KeyRange): string {
  const { start, end, isPoint } = range
  const isLong = start.length > limits.auditKeyBytesMax || (end !== null && end.length > limits.auditKeyBytesMax + 1)
  if (isLong) return longRangeJson(range)
  if (isPoint) {
    const text = latin1(start)
    if (plain.test(text)) return `{"key":"${text}"}`
  }
  return visible(JSON.stringify(rangeSpecOf(range)))
}

function longRangeJson({ start, end, isPoint }: KeyRange): string {
  const cut = (bytes: Uint8Array) => ({
    bytes: bytes.length,
    base64: Buffer.from(bytes.subarray(0, limits.auditKeyBytesMax)).toString('base64'),
    sha256: createHash('sha256').update(bytes).digest('hex'),
  })
  if (isPoint) return JSON.stringify({ long: true, key: cut(start) })
  return JSON.stringify({ long: true, from: cut(start), ...(end === null ? {} : { to: cut(end) }) })
}

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')

/** What an operation concerns, as fields that begin with a comma: `reads`, `writes` and `leases`, each if there are any. */
export function needsJson(operation: Operation): string {
  switch (operation.kind) {
    case 'keys':
      return keysJson(operation.needs)
    case 'user':
    case 'role':
      // A longer one is nobody's, and may be of a megabyte.
      return `,"${operation.kind}Asked":${textJson(operation.name.slice(0, limits.authNameBytesMax))}`
    case 'capability':
      return `,"capability":"${operation.capability}"`
    default:
      return ''
  }
}

function keysJson(needs: readonly Need[]): string {
  if (needs.length === 1) {
    const need = needs[0]!
    if (need.kind === 'read') return `,"reads":[${rangeJson(need.range)}]`
    if (need.kind === 'write') return `,"writes":[${rangeJson(need.range)}]`
  }
  const reads: string[] = []
  const writes: string[] = []
  const leases: string[] = []
  let more = 0
  for (const need of needs) {
    if (need.kind === 'lease') continue
    if (reads.length + writes.length + leases.length >= limits.auditRangesMax) {
      more++
      continue
    }
    if (need.kind === 'read') reads.push(rangeJson(need.range))
    else if (need.kind === 'write') writes.push(rangeJson(need.range))
    else leases.push(leaseText(need.lease))
  }
  return (
    (reads.length > 0 ? `,"reads":[${reads.join()}]` : '') +
    (writes.length > 0 ? `,"writes":[${writes.join()}]` : '') +
    (leases.length > 0 ? `,"leases":[${leases.join()}]` : '') +
    (more > 0 ? `,"moreRanges":${more}` : '')
  )
}

/** A lease that no keys are concerned of. */
export const leaseJson = (id: bigint): string => `,"leases":[${leaseText(id)}]`

/** As etcdctl prints them. */
const leaseText = (id: bigint): string => `"${formatId(id).padStart(16, '0')}"`

/** Who is at the other end of a connection. */
export interface Peer {
  /** Address and port. */
  readonly address: string
  /** Null: it has shown none. */
  readonly certificate: {
    readonly commonNames: readonly string[]
    readonly uris: readonly string[]
    /** In hex. */
    readonly serial: string
    /** SHA-256, in hex. */
    readonly fingerprint: string
  } | null
}

/** Fields that begin with a comma. */
export function peerJson({ address, certificate }: Peer): string {
  if (certificate === null) return `,"peer":${textJson(address)}`
  const { commonNames, uris, serial, fingerprint } = certificate
  const names = (all: readonly string[]): string => `[${all.map(textJson).join()}]`
  const uriField = uris.length === 0 ? '' : `,"uris":${names(uris)}`
  return `,"peer":${textJson(address)},"certificate":{"names":${names(commonNames)}${uriField},"serial":"${serial}","sha256":"${fingerprint}"}`
}
