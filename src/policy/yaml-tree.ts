import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import { limits } from '../base/limits.ts'
import { fileBegin, type Place, PolicyError, type Problem, quoted } from './problem.ts'

/** The way from the top of a document: names of keys, and positions in lists. */
export type Path = readonly PropertyKey[]

/** What a file says, and where it says it. */
export interface PlacedData {
  /** Objects without a prototype, lists, texts, numbers, booleans and null. */
  readonly data: unknown
  /** Of the value; of the nearest one around it that is there, if it is not. */
  placeOf(path: Path): Place
  /** Of the key that leads to it. */
  placeOfKey(path: Path): Place
}

/**
 * Reads the part of YAML that is plain data: no anchors and aliases (with them a file can be a circle, or a thousand times
 * as large as it looks), no tags, directives or further documents, and each key once.
 *
 * @throws PolicyError
 */
export function readYaml(bytes: Uint8Array): PlacedData {
  const text = textOf(bytes)
  const lines = new LineCounter()
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    merge: false,
    prettyErrors: false,
    stringKeys: true,
    lineCounter: lines,
    // Done below, in time that does not grow with the square of the keys.
    uniqueKeys: false,
  })
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const wrong = [...document.errors, ...document.warnings].map(({ code, message, pos }) => ({
    place: at(pos[0]),
    message: ownWords.get(code) ?? firstLine(message),
  }))
  if (wrong.length > 0) throw new PolicyError(wrong)
  const { yaml, tags } = document.directives
  if (yaml.explicit === true || Object.keys(tags).length > 1) {
    throw new PolicyError([{ place: fileBegin, message: 'a policy has no directives (lines that begin with %)' }])
  }
  return new Walk(at).of(document.contents)
}

/** Where the parser speaks of itself. */
const ownWords: ReadonlyMap<string, string> = new Map([
  ['RESOURCE_EXHAUSTION', 'this is nested too deeply'],
  ['MULTIPLE_DOCS', 'a policy is one document'],
  ['NON_STRING_KEY', 'a key is a word'],
])
const depthMax = 16

/** @throws PolicyError for a file that is too long, not UTF-8, or has characters that no editor shows. */
function textOf(bytes: Uint8Array): string {
  const refuse = (place: Place, message: string): never => {
    throw new PolicyError([{ place, message }])
  }
  if (bytes.length > limits.policyFileBytesMax) {
    return refuse(fileBegin, `a policy has at most ${limits.policyFileBytesMax} bytes`)
  }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return refuse(fileBegin, 'the file is not UTF-8')
  }
  const hidden = /[^\P{Cc}\t\n\r]|[\u202a-\u202e\u2066-\u2069]/u.exec(text)
  if (hidden === null) return text
  const before = text.slice(0, hidden.index).split('\n')
  const place = { line: before.length, column: before.at(-1)!.length + 1 }
  return refuse(place, `the character ${quoted(hidden[0])} cannot be seen: write it as an escape in double quotes`)
}

const firstLine = (text: string): string => text.split('\n', 1)[0]!

/** Turns the parser's tree into data, remembering places. */
class Walk implements PlacedData {
  data: unknown = null
  readonly #at: (offset: number) => Place
  readonly #values = new Map<string, Place>()
  readonly #keys = new Map<string, Place>()
  readonly #problems: Problem[] = []

  constructor(at: (offset: number) => Place) {
    this.#at = at
  }

  of(contents: unknown): this {
    this.data = this.#dataOf(contents as Node | null, [], fileBegin)
    if (this.#problems.length > 0) throw new PolicyError(this.#problems)
    return this
  }

  placeOf(path: Path): Place {
    for (let length = path.length; length >= 0; length--) {
      const place = this.#values.get(nameOf(path.slice(0, length)))
      if (place !== undefined) return place
    }
    return fileBegin
  }

  placeOfKey(path: Path): Place {
    return this.#keys.get(nameOf(path)) ?? this.placeOf(path)
  }

  /** @param around place of what it is in, for nodes that are not written. */
  #dataOf(node: Node | null, path: Path, around: Place): unknown {
    const place = node?.range == null ? around : this.#at(node.range[0])
    this.#values.set(nameOf(path), place)
    if (node === null) return null
    if (isAlias(node)) return this.#refuse(place, 'a policy has no aliases: write it out')
    if ('anchor' in node && node.anchor !== undefined) return this.#refuse(place, 'a policy has no anchors')
    if (node.tag !== undefined) return this.#refuse(place, 'a policy has no tags')
    if (path.length > depthMax) return this.#refuse(place, 'this is nested too deeply')
    if (isScalar(node)) return this.#wellFormed(node.value, place)
    if (isSeq(node)) {
      return node.items.map((item, index) => this.#dataOf(item as Node | null, [...path, index], place))
    }
    if (!isMap(node)) return this.#refuse(place, 'this is no plain value')
    const data: Record<string, unknown> = Object.create(null)
    for (const { key, value } of node.items) {
      const keyPlace = isScalar(key) && key.range != null ? this.#at(key.range[0]) : place
      if (!isScalar(key) || typeof key.value !== 'string') {
        this.#refuse(keyPlace, 'a key is a word')
        continue
      }
      if (key.anchor !== undefined || key.tag !== undefined) this.#refuse(keyPlace, 'a policy has no anchors or tags')
      if (Object.hasOwn(data, key.value)) this.#refuse(keyPlace, `the key ${quoted(key.value)} is there twice`)
      this.#wellFormed(key.value, keyPlace)
      const child = [...path, key.value]
      this.#keys.set(nameOf(child), keyPlace)
      data[key.value] = this.#dataOf(value as Node | null, child, keyPlace)
    }
    return data
  }

  /** Halves of characters, which escapes can make, are no text: as bytes all of them are the same, and something else. */
  #wellFormed(value: unknown, place: Place): unknown {
    if (typeof value !== 'string' || value.isWellFormed()) return value
    return this.#refuse(place, `the text ${quoted(value)} has half a character: write keys that are no text in base64`)
  }

  #refuse(place: Place, message: string): null {
    this.#problems.push({ place, message })
    return null
  }
}

const nameOf = (path: Path): string => JSON.stringify(path)
