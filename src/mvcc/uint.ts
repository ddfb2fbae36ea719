/** Fixed-size big-endian unsigned integers: table keys that must sort by number, and record fields. */

export function putUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

export const getUint32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0

/** @param value a safe integer, not negative. */
export function putUint64(bytes: Uint8Array, at: number, value: number): void {
  putUint32(bytes, at, Math.floor(value / 0x100000000))
  putUint32(bytes, at + 4, value >>> 0)
}

export const getUint64 = (bytes: Uint8Array, at: number): number =>
  getUint32(bytes, at) * 0x100000000 + getUint32(bytes, at + 4)

/** An id as eight bytes, unsigned: bit patterns of negative numbers sort last. */
export function putId(bytes: Uint8Array, at: number, id: bigint): void {
  putUint32(bytes, at, Number((id >> 32n) & 0xffffffffn))
  putUint32(bytes, at + 4, Number(id & 0xffffffffn))
}

export const getId = (bytes: Uint8Array, at: number): bigint =>
  (BigInt(getUint32(bytes, at)) << 32n) | BigInt(getUint32(bytes, at + 4))

export function idKey(id: bigint): Uint8Array {
  const key = new Uint8Array(8)
  putId(key, 0, id)
  return key
}
