import { X509Error } from './x509-error.ts'

/** Identifier octets of the types that occur in certificates; [n] is 0x80 + n primitive, 0xa0 + n constructed. */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

export const contextTag = (number: number, constructed: boolean): number => (constructed ? 0xa0 : 0x80) + number

/** Bytes of a length. Four reach to 4 GiB, which no file that is read here comes near. */
const lengthBytesMax = 4

/**
 * One DER value: a window on the bytes that were read, which are never copied. Nothing recurses while reading, so depth
 * costs nothing. Every read checks the tag that it expects.
 *
 * @source ITU-T X.690 sections 8.1 and 10.1.
 */
export class DerValue {
  readonly tag: number
  readonly #bytes: Buffer
  readonly #start: number
  readonly #contentStart: number
  readonly #end: number

  private constructor(bytes: Buffer, start: number, limit: number) {
    if (limit - start < 2) throw damage(start, 'it is cut off')
    const tag = bytes[start]!
    if ((tag & 0x1f) === 0x1f) throw damage(start, 'a tag of several bytes')
    let length = bytes[start + 1]!
    let contentStart = start + 2
    if (length >= 0x80) {
      const count = length - 0x80
      if (count === 0) throw damage(start, 'a length that is left open')
      if (count > lengthBytesMax) throw damage(start, 'a length beyond 4 GiB')
      if (limit - contentStart < count) throw damage(start, 'it is cut off')
      length = bytes.readUIntBE(contentStart, count)
      if (length < 0x80 || bytes[contentStart] === 0)
        throw damage(start, 'a length that is not written the shortest way')
      contentStart += count
    }
    if (length > limit - contentStart) throw damage(start, `${length} bytes announced, ${limit - contentStart} there`)
    this.tag = tag
    this.#bytes = bytes
    this.#start = start
    this.#contentStart = contentStart
    this.#end = contentStart + length
  }

  /** The one value that `bytes` consist of. @throws X509Error if they are damaged, or go on after it. */
  static of(bytes: Uint8Array): DerValue {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const value = new DerValue(buffer, 0, buffer.length)
    if (value.#end !== buffer.length) throw damage(value.#end, `${buffer.length - value.#end} bytes follow the end`)
    return value
  }

  /** The whole value with tag and length. */
  get der(): Buffer {
    return this.#bytes.subarray(this.#start, this.#end)
  }

  get content(): Buffer {
    return this.#bytes.subarray(this.#contentStart, this.#end)
  }

  /** Values inside this one, read one after the other. @throws X509Error if this is not a `tag`. */
  items(tag: number = tags.sequence): DerItems {
    this.expect(tag)
    return new DerItems(this, this.#contentStart)
  }

  /** The one value inside this one, which is an explicit tag or an OCTET STRING around DER. */
  inner(tag: number): DerValue {
    const items = this.items(tag)
    const value = items.next()
    items.end()
    return value
  }

  /** The value inside this one at `at`, and null at the end; for `DerItems`. */
  valueAt(at: number): DerValue | null {
    return at < this.#end ? new DerValue(this.#bytes, at, this.#end) : null
  }

  /** Where the value after this one starts; for `DerItems`. */
  get end(): number {
    return this.#end
  }

  expect(tag: number): this {
    if (this.tag !== tag) throw this.damage(`type ${hex(this.tag)} where ${hex(tag)} belongs`)
    return this
  }

  damage(what: string): X509Error {
    return damage(this.#start, what)
  }

  /** Dotted decimal. Arcs beyond 2^53 are refused: nothing that is in use has them. */
  oid(): string {
    const { content } = this.expect(tags.oid)
    if (content.length === 0 || content.at(-1)! >= 0x80) throw this.damage('an object identifier that is cut off')
    const arcs: number[] = []
    let arc = 0
    for (const byte of content) {
      if (arc === 0 && byte === 0x80) throw this.damage('an object identifier that is not written the shortest way')
      arc = arc * 128 + (byte & 0x7f)
      if (!Number.isSafeInteger(arc)) throw this.damage('an object identifier with a huge arc')
      if (byte >= 0x80) continue
      if (arcs.length === 0) arcs.push(Math.min(Math.floor(arc / 40), 2), arc < 80 ? arc % 40 : arc - 80)
      else arcs.push(arc)
      arc = 0
    }
    return arcs.join('.')
  }

  boolean(): boolean {
    const { content } = this.expect(tags.boolean)
    if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw this.damage('a malformed boolean')
    return content[0] === 0xff
  }

  /** A non-negative integer, its magnitude without a leading zero byte (zero is one zero byte). */
  unsigned(): Buffer {
    const { content } = this.expect(tags.integer)
    if (content.length === 0) throw this.damage('an integer without bytes')
    if (content[0]! >= 0x80) throw this.damage('a negative integer')
    if (content.length === 1 || content[0] !== 0) return content
    if (content[1]! < 0x80) throw this.damage('an integer that is not written the shortest way')
    return content.subarray(1)
  }

  /** A non-negative integer below 2^32. */
  smallInteger(): number {
    const bytes = this.unsigned()
    if (bytes.length > 4) throw this.damage('an integer that is too large here')
    return bytes.readUIntBE(0, bytes.length)
  }

  /** The bytes of a bit string of whole bytes, as keys and signatures are. */
  wholeBytes(): Buffer {
    const { content } = this.expect(tags.bitString)
    if (content[0] !== 0) throw this.damage('a bit string that is not whole bytes')
    return content.subarray(1)
  }

  /** Numbers of the bits that are set, the first bit being 0. At most 64 bits. */
  bits(): number[] {
    const { content } = this.expect(tags.bitString)
    if (content.length === 0 || content[0]! > 7 || content.length > 9) throw this.damage('a malformed bit string')
    const set: number[] = []
    for (const [i, byte] of content.subarray(1).entries())
      for (let bit = 0; bit < 8; bit++) if ((byte & (0x80 >> bit)) !== 0) set.push(i * 8 + bit)
    return set
  }
}

/** The values inside another, from the first to the last. */
export class DerItems {
  readonly #parent: DerValue
  #at: number
  #peeked: DerValue | null | undefined

  constructor(parent: DerValue, start: number) {
    this.#parent = parent
    this.#at = start
  }

  /** The next one, which stays the next one; null after the last. */
  peek(): DerValue | null {
    if (this.#peeked === undefined) this.#peeked = this.#parent.valueAt(this.#at)
    return this.#peeked
  }

  /** @throws X509Error if there is none, or it is not a `tag`. */
  next(tag?: number): DerValue {
    const value = this.peek()
    if (value === null) throw damage(this.#at, 'a value is missing')
    if (tag !== undefined) value.expect(tag)
    this.#at = value.end
    this.#peeked = undefined
    return value
  }

  /** The next one if it is one of `wanted`, otherwise null: for what may be left out. */
  optional(...wanted: number[]): DerValue | null {
    const value = this.peek()
    return value !== null && wanted.includes(value.tag) ? this.next() : null
  }

  /** @throws X509Error if there are more. */
  end(): void {
    const value = this.peek()
    if (value !== null) throw value.damage('a value that does not belong there')
  }

  *[Symbol.iterator](): Generator<DerValue> {
    while (this.peek() !== null) yield this.next()
  }
}

const hex = (tag: number): string => `0x${tag.toString(16).padStart(2, '0')}`

const damage = (at: number, what: string): X509Error => new X509Error(`damaged at byte ${at}: ${what}`)
