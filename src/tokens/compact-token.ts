import { limits } from '../base/limits.ts'
import { parseStrictJson } from './strict-json.ts'

/** Members that an object has itself, by their names. */
export type Claims = ReadonlyMap<string, unknown>

/** A signed token, taken apart; nothing of it has been found true. */
export interface CompactToken {
  readonly header: Claims
  readonly payload: Claims
  /** What the signature is of. */
  readonly signed: string
}

const form = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/
const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Reads the compact form of RFC 7515, at a cost that the token's length bounds.
 *
 * @returns null for anything else, and for what two readers could read in two ways: base64url with loose ends, text that is
 *   not UTF-8, objects with a name twice.
 */
export function readCompact(token: string): CompactToken | null {
  if (token.length > limits.authTokenBytesMax) return null
  const [, head, body, signature] = form.exec(token) ?? []
  if (head === undefined || body === undefined || signature === undefined) return null
  if (bytesOf(signature) === null) return null
  const header = claimsOf(head)
  const payload = header === null ? null : claimsOf(body)
  return header === null || payload === null ? null : { header, payload, signed: `${head}.${body}` }
}

function claimsOf(part: string): Claims | null {
  const bytes = bytesOf(part)
  if (bytes === null) return null
  try {
    const value = parseStrictJson(utf8.decode(bytes))
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
    return new Map(Object.entries(value))
  } catch (error) {
    // Not JSON, or not UTF-8.
    if (error instanceof SyntaxError || error instanceof TypeError) return null
    throw error
  }
}

/** Null for what is not the one way to write them. */
function bytesOf(part: string): Buffer | null {
  const bytes = Buffer.from(part, 'base64url')
  return bytes.toString('base64url') === part ? bytes : null
}
