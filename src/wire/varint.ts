/** Protobuf base-128 varints of safe integers, written at an offset of a buffer that is known to be large enough. */

export function varintSize(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x200000) return 3
  if (value < 0x10000000) return 4
  let size = 5
  for (let rest = value / 0x800000000; rest >= 1; rest /= 128) size++
  return size
}

/** @returns the offset after the varint. */
export function writeVarint(buffer: Uint8Array, offset: number, value: number): number {
  let at = offset
  let rest = value
  while (rest > 0x7fffffff) {
    buffer[at++] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  while (rest >= 0x80) {
    buffer[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  buffer[at++] = rest
  return at
}

/** Size of a 64-bit value given as its two halves. */
export function varint64Size(high: number, low: number): number {
  return high === 0 ? varintSize(low) : varintSize((high >>> 0) * 16 + (low >>> 28)) + 4
}

/** Writes the 64-bit value `high * 2^32 + low` (both unsigned 32-bit). */
export function writeVarint64(buffer: Uint8Array, offset: number, high: number, low: number): number {
  if (high === 0) return writeVarint(buffer, offset, low)
  let at = offset
  // Four groups of seven bits come from the low half alone; the rest (36 bits) is a safe integer again.
  for (let shift = 0; shift < 28; shift += 7) buffer[at++] = ((low >>> shift) & 0x7f) | 0x80
  return writeVarint(buffer, at, high * 16 + (low >>> 28))
}

export const lowHalf = (value: bigint): number => Number(value & 0xffffffffn)
export const highHalf = (value: bigint): number => Number((value >> 32n) & 0xffffffffn)
