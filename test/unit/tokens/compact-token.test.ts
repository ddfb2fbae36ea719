import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readCompact } from '../../../src/tokens/compact-token.ts'
import { parseStrictJson } from '../../../src/tokens/strict-json.ts'

/** The slow twin: a reader that keeps all members, in a language of its own. */
function hasTwice(value: fc.JsonValue | Pairs): boolean {
  if (value instanceof Pairs) {
    const names = value.entries.map(([name]) => name)
    return new Set(names).size < names.length || value.entries.some(([, each]) => hasTwice(each))
  }
  return Array.isArray(value) && value.some((each) => hasTwice(each as fc.JsonValue))
}

/** An object as it may be written: with names twice. */
class Pairs {
  readonly entries: readonly (readonly [string, fc.JsonValue | Pairs])[]
  constructor(entries: Pairs['entries']) {
    this.entries = entries
  }
}

const textOf = (value: fc.JsonValue | Pairs): string => {
  if (value instanceof Pairs) {
    return `{${value.entries.map(([name, each]) => ` ${JSON.stringify(name)} : ${textOf(each)}`).join(',')}}`
  }
  return Array.isArray(value) ? `[${value.map((each) => textOf(each as fc.JsonValue)).join()}]` : JSON.stringify(value)
}

const names = fc.constantFrom('a', 'b', '"', '{', ',', '\\', '', '__proto__', 'é')
const { value } = fc.letrec<{ value: fc.JsonValue | Pairs }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 5 },
    fc.constantFrom(null, true, 1.5, '', '{"a":1,"a":2}', '",:[]'),
    fc.array(tie('value'), { maxLength: 3 }) as fc.Arbitrary<fc.JsonValue>,
    fc.array(fc.tuple(names, tie('value')), { maxLength: 4 }).map((entries) => new Pairs(entries)),
  ),
}))

test('JSON is refused exactly if an object in it has a name twice', () => {
  fc.assert(
    fc.property(value, (written) => {
      const text = textOf(written)
      if (hasTwice(written)) assert.throws(() => parseStrictJson(text), SyntaxError)
      else assert.deepEqual(parseStrictJson(text), JSON.parse(text))
    }),
  )
})

test('whatever comes is read or refused', () => {
  const part = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }).map((text) => Buffer.from(text).toString('base64url')),
    fc.json().map((text) => Buffer.from(text).toString('base64url')),
    fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64url')),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
      const read = readCompact(parts.join('.'))
      assert.ok(read === null || (read.header instanceof Map && read.payload instanceof Map))
    }),
  )
})
