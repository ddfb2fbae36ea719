/** 32-bit FNV-1a, continued from `start`. Good enough to tell two histories apart; not against an adversary. */
export function hashText(text: string, start = 0x811c9dc5): number {
  let hash = start
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

export function hashBytes(bytes: Uint8Array, start = 0x811c9dc5): number {
  let hash = start
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return hash >>> 0
}

/** 52 bits out of two differently seeded 32-bit hashes: a safe integer, so that collisions do not hide divergence. */
export function fingerprint(text: string, bytes: Uint8Array): number {
  const high = hashBytes(bytes, hashText(text, 0x811c9dc5))
  const low = hashBytes(bytes, hashText(text, 0x2545f491))
  return (high >>> 12) * 0x100000000 + low
}
