/**
 * The codes of up to 15 bits, shortest first: the codes of each length, as fractions of 2^15, end where the next length's
 * begin. Every printable character but the backslash has one of these.
 *
 * @source RFC 7541, Appendix B, which is a canonical code.
 */
const codes: readonly (readonly [end: number, bits: number])[] = [
  [0x0a << 10, 5],
  [0x2e << 9, 6],
  [0x7c << 8, 7],
  [0xfe << 7, 8],
  [0x3fd << 5, 10],
  [0x7fd << 4, 11],
  [0xffc << 3, 12],
  [0x1ffe << 2, 13],
  [0x3ffe << 1, 14],
  [0x7fff, 15],
]

/** `/` is 011000 and `.` is 010111. */
const slash = 0b011000
const slashToDot = 0b001111
const slashBits = 6

/** Makes dots of the slashes in a Huffman-coded string, in place. Gives up at the first code of more than 15 bits. */
export function huffmanSlashesToDots(text: Uint8Array): void {
  const bitsTotal = text.length * 8
  let bit = 0
  while (bit < bitsTotal) {
    const at = bit >> 3
    // Beyond its end a string goes on as its padding does, in ones.
    const next24 = (text[at]! << 16) | ((text[at + 1] ?? 0xff) << 8) | (text[at + 2] ?? 0xff)
    const next15 = (next24 >> (9 - (bit & 7))) & 0x7fff
    const code = codes.find(([end]) => next15 < end)
    if (code === undefined || bit + code[1] > bitsTotal) return
    if (code[1] === slashBits && next15 >> (15 - slashBits) === slash) {
      const change = slashToDot << (16 - slashBits - (bit & 7))
      text[at]! ^= change >> 8
      if ((change & 0xff) !== 0) text[at + 1]! ^= change & 0xff
    }
    bit += code[1]
  }
}
