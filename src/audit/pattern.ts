/** Whether a text is like one of the patterns, in which `*` is any text. */
export function matcher(patterns: readonly string[]): (text: string) => boolean {
  const tests = patterns.map((pattern) => {
    if (!pattern.includes('*')) return (text: string): boolean => text === pattern
    const parts = pattern.split('*')
    return (text: string): boolean => matches(text, parts)
  })
  return (text) => tests.some((test) => test(text))
}

/** Each part as far to the front as it goes: a pattern of many stars takes no longer than one of a few. */
function matches(text: string, parts: readonly string[]): boolean {
  const first = parts[0]!
  const last = parts.at(-1)!
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false
  const end = text.length - last.length
  let at = first.length
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at)
    if (found === -1 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}
