import { createHash } from 'node:crypto'
import type { ResponseHeader } from '../../src/wire/gen/rpc.ts'

const shownBytesMax = 80

/** Printable bytes as they are, long ones by beginning, length and digest. */
export function bytesText(bytes: Uint8Array): string {
  const shown = Buffer.from(bytes.subarray(0, shownBytesMax))
    .toString('latin1')
    .replaceAll(/[^\x20-\x7e]|["\\]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
  if (bytes.length <= shownBytesMax) return shown
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
  return `${shown}... (${bytes.length} bytes, ${digest})`
}

/** A message as one line of JSON, the same for the same fields. */
export const messageText = (message: unknown, integerText: (value: bigint) => string = String): string =>
  JSON.stringify(printable(message, integerText))

function printable(value: unknown, integerText: (value: bigint) => string): unknown {
  if (typeof value === 'bigint') return integerText(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return bytesText(value)
  if (Array.isArray(value)) return value.map((item) => printable(item, integerText))
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, printable(field, integerText)]))
}

/** A copy with the headers at all levels made plain: what any two clusters differ in becomes whether it is there. */
export function withPlainHeaders<T>(message: T): T {
  if (typeof message !== 'object' || message === null || message instanceof Uint8Array) return message
  if (Array.isArray(message)) return message.map(withPlainHeaders) as T
  return Object.fromEntries(
    Object.entries(message).map(([name, value]) => [
      name,
      name === 'header' ? plainHeader(value as ResponseHeader | undefined) : withPlainHeaders(value),
    ]),
  ) as T
}

const plainHeader = (header: ResponseHeader | undefined): ResponseHeader | undefined =>
  header && {
    cluster_id: presence(header.cluster_id),
    member_id: presence(header.member_id),
    revision: header.revision,
    raft_term: presence(header.raft_term),
  }

const presence = (id: bigint): bigint => (id === 0n ? 0n : 1n)
