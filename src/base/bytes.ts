export const emptyBytes = new Uint8Array(0)

/** Lexicographic order of unsigned bytes: negative, 0 or positive. */
export const compareBytes = (a: Uint8Array, b: Uint8Array): number => Buffer.compare(a, b)

export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && Buffer.compare(a, b) === 0

export const concatBytes = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts)

/** UTF-8. For constants and ids; user keys and values never pass through strings. */
export const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8')

/** The smallest key greater than `key`: `key` followed by a NUL. */
export function nextKey(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1)
  next.set(key)
  return next
}

/** The end of the range of all keys that start with `prefix`; `null` (unbounded) if `prefix` is empty or all 0xff. */
export function prefixEnd(prefix: Uint8Array): Uint8Array | null {
  for (let i = prefix.length - 1; i >= 0; i--) {
    const byte = prefix[i]!
    if (byte === 0xff) continue
    // A Buffer's `slice` would be a view of the prefix.
    const end = new Uint8Array(prefix.subarray(0, i + 1))
    end[i] = byte + 1
    return end
  }
  return null
}
