/** Just enough of an HPACK encoder and of HTTP/2 framing to write by hand what a client might send. */

/** From RFC 7541, Appendix B: the code and its length in bits. */
const huffmanCodes: Readonly<Record<string, readonly [code: number, bits: number]>> = {
  ...{ 0: [0x0, 5], 1: [0x1, 5], 2: [0x2, 5], a: [0x3, 5], c: [0x4, 5], e: [0x5, 5], i: [0x6, 5], o: [0x7, 5] },
  ...{
    s: [0x8, 5],
    t: [0x9, 5],
    '%': [0x15, 6],
    '-': [0x16, 6],
    '.': [0x17, 6],
    '/': [0x18, 6],
    3: [0x19, 6],
    7: [0x1d, 6],
  },
  ...{ 9: [0x1f, 6], A: [0x21, 6], h: [0x27, 6], p: [0x2b, 6], r: [0x2c, 6], u: [0x2d, 6], ':': [0x5c, 7] },
  ...{ Y: [0x73, 7], y: [0x7a, 7], z: [0x7b, 7], '&': [0xf8, 8], ';': [0xfb, 8], X: [0xfc, 8], Z: [0xfd, 8] },
  ...{ '!': [0x3f8, 10], '?': [0x3fc, 10], "'": [0x7fa, 11], '|': [0x7fc, 11], '#': [0xffa, 12], '>': [0xffb, 12] },
  ...{ $: [0x1ff9, 13], '@': [0x1ffa, 13], '[': [0x1ffb, 13], ']': [0x1ffc, 13], '~': [0x1ffd, 13] },
  ...{ '^': [0x3ffc, 14], '}': [0x3ffd, 14], '<': [0x7ffc, 15], '{': [0x7ffe, 15], '\\': [0x7fff0, 19] },
}

export const huffmanAlphabet: readonly string[] = Object.keys(huffmanCodes)

export function huffman(text: string): Buffer {
  const bits = [...text]
    .map((character) => {
      const [code, length] = huffmanCodes[character]!
      return code.toString(2).padStart(length, '0')
    })
    .join('')
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1')
  return Buffer.from(padded.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? [])
}

/** @param first the bits of the first byte in front of the number. */
export function integer(first: number, prefixBits: number, value: number): Buffer {
  const prefixMax = 2 ** prefixBits - 1
  if (value < prefixMax) return Buffer.from([first | value])
  const bytes = [first | prefixMax]
  let rest = value - prefixMax
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  return Buffer.from([...bytes, rest])
}

export const plain = (text: string): Buffer => Buffer.concat([integer(0, 7, text.length), Buffer.from(text, 'latin1')])

export function packed(text: string): Buffer {
  const bytes = huffman(text)
  return Buffer.concat([integer(0x80, 7, bytes.length), bytes])
}

/** The kinds of literal field, for the name with an index and without. */
export const literalKinds = {
  indexing: { first: 0x40, prefixBits: 6 },
  'without indexing': { first: 0x00, prefixBits: 4 },
  'never indexed': { first: 0x10, prefixBits: 4 },
} as const

/** @param name an index, or an encoded string. */
export function literal(kind: keyof typeof literalKinds, name: number | Buffer, value: Buffer): Buffer {
  const { first, prefixBits } = literalKinds[kind]
  if (typeof name === 'number') return Buffer.concat([integer(first, prefixBits, name), value])
  return Buffer.concat([Buffer.from([first]), name, value])
}

export const indexed = (index: number): Buffer => integer(0x80, 7, index)

export const http2Preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

export const frameTypes = { data: 0, headers: 1, settings: 4, ping: 6, continuation: 9 } as const
export const frameFlags = { endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const

export function http2Frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header.writeUInt8(type, 3)
  header.writeUInt8(flags, 4)
  header.writeUInt32BE(streamId, 5)
  return Buffer.concat([header, payload])
}
