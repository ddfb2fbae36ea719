/** Deeper than any claim: what is nested more is not worth looking at. */
const depthMax = 16

const lexeme = /"(?:[^"\\]|\\.)*"|[{}[\],]/g

/**
 * JSON in which no object names a member twice: readers differ in which of the two counts, and a signature does not say.
 *
 * @throws SyntaxError
 */
export function parseStrictJson(text: string): unknown {
  const value: unknown = JSON.parse(text)
  /** For each object that is open the names so far; null for a list. */
  const open: (Set<string> | null)[] = []
  let isName = false
  for (const [part] of text.matchAll(lexeme)) {
    if (part === '{' || part === '[') {
      if (open.length === depthMax) throw new SyntaxError('nested too deeply')
      open.push(part === '{' ? new Set() : null)
      isName = part === '{'
    } else if (part === '}' || part === ']') {
      open.pop()
      isName = false
    } else if (part === ',') {
      isName = open.at(-1) instanceof Set
    } else if (isName) {
      const names = open.at(-1)!
      // Escapes can spell one name in many ways.
      const name = JSON.parse(part) as string
      if (names.has(name)) throw new SyntaxError('a name is there twice')
      names.add(name)
      isName = false
    }
  }
  return value
}
