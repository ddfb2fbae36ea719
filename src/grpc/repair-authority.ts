import { huffmanSlashesToDots } from './huffman-slashes.ts'

interface Integer {
  readonly value: number
  /** Where the next thing begins. */
  readonly end: number
}

interface Text {
  readonly bytes: Uint8Array
  readonly isHuffman: boolean
  readonly end: number
}

/** The index of `:authority` in the static table, and the name spelled out. */
const authorityIndex = 1
const authorityName = Buffer.from(':authority')
const authorityNameHuffman = Buffer.from('b83b5339ec327d7f', 'hex')

/** Bits of a number beyond its prefix. What needs more could not fit into a block that is looked at. */
const integerBitsMax = 28

/**
 * Makes dots of the slashes in each `:authority` that a header block spells out. In place: a dot is as long as a slash,
 * encoded and decoded, so that no length changes and the two sides' dynamic tables stay equally large. The value itself
 * is not used by anything here. A malformed block stays as it is.
 *
 * @param block one whole header block, HPACK-encoded.
 * @source RFC 7541, sections 5 and 6.
 */
export function repairAuthority(block: Uint8Array): void {
  const authorities: Text[] = []
  let at = 0
  while (at < block.length) {
    const first = block[at]!
    const isIndexed = (first & 0x80) !== 0
    const isLiteral = !isIndexed && (first & 0xe0) !== 0x20
    // With incremental indexing; without or never; a new size of the table.
    const index = readInteger(block, at, isIndexed ? 7 : (first & 0x40) !== 0 ? 6 : isLiteral ? 4 : 5)
    if (index === null) return
    at = index.end
    if (!isLiteral) continue
    const name = index.value === 0 ? readText(block, at) : null
    if (index.value === 0 && name === null) return
    const value = readText(block, name?.end ?? at)
    if (value === null) return
    at = value.end
    if (name === null ? index.value === authorityIndex : isAuthority(name)) authorities.push(value)
  }
  for (const { bytes, isHuffman } of authorities) {
    if (isHuffman) huffmanSlashesToDots(bytes)
    else slashesToDots(bytes)
  }
}

function isAuthority({ bytes, isHuffman }: Text): boolean {
  return (isHuffman ? authorityNameHuffman : authorityName).equals(bytes)
}

const slash = 0x2f
const dot = 0x2e

function slashesToDots(text: Uint8Array): void {
  for (let at = text.indexOf(slash); at !== -1; at = text.indexOf(slash, at + 1)) text[at] = dot
}

/** @returns null if it does not end within the block, or is too large. */
function readInteger(block: Uint8Array, start: number, prefixBits: number): Integer | null {
  if (start >= block.length) return null
  const prefixMax = (1 << prefixBits) - 1
  let value = block[start]! & prefixMax
  let end = start + 1
  if (value < prefixMax) return { value, end }
  for (let shift = 0; shift < integerBitsMax && end < block.length; shift += 7) {
    const byte = block[end++]!
    value += (byte & 0x7f) << shift
    if ((byte & 0x80) === 0) return { value, end }
  }
  return null
}

function readText(block: Uint8Array, start: number): Text | null {
  const length = readInteger(block, start, 7)
  if (length === null) return null
  const end = length.end + length.value
  if (end > block.length) return null
  return { bytes: block.subarray(length.end, end), isHuffman: (block[start]! & 0x80) !== 0, end }
}
