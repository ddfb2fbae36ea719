import { type DerValue, tags } from './der-value.ts'

/**
 * The text of a string value exactly as it stands, control characters and all; null if its bytes are not of its type.
 * What is shown to a person goes through `printable` first.
 */
export function textOf(value: DerValue): string | null {
  const { tag, content } = value
  switch (tag) {
    case tags.utf8String:
      return decode('utf-8', content)
    case tags.printableString:
    case tags.numericString:
    case tags.ia5String:
    case tags.visibleString:
      return content.every((byte) => byte < 0x80) ? content.toString('latin1') : null
    case tags.teletexString:
      return content.toString('latin1')
    case tags.bmpString:
      return decode('utf-16be', content)
    case tags.universalString:
      return utf32(content)
    default:
      return null
  }
}

function decode(encoding: string, bytes: Uint8Array): string | null {
  try {
    // Without this a leading byte order mark would vanish, and two different names would read the same.
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

function utf32(bytes: Buffer): string | null {
  if (bytes.length % 4 !== 0) return null
  let text = ''
  for (let at = 0; at < bytes.length; at += 4) {
    const point = bytes.readUInt32BE(at)
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return null
    text += String.fromCodePoint(point)
  }
  return text
}

/** Everything but letters, digits, marks, punctuation, symbols and plain spaces. */
const unprintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu

/** `text` for a terminal: controls, line ends, invisible and direction-changing characters become `\u{…}`. */
export const printable = (text: string): string =>
  text.replaceAll('\\', '\\\\').replace(unprintable, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
