import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'

interface Block {
  /** Comments and blank lines before it, as they are. */
  readonly preamble: string
  readonly command: string
  readonly want: string
}

/**
 * Runs a script: blocks of a command line, `----`, and the output up to the next blank line. `REWRITE=1` writes what came
 * out into the file instead of comparing; then read the difference.
 */
export function runScript(path: URL, handle: (command: string) => string): void {
  const blocks = parse(readFileSync(path, 'utf8'))
  assert(blocks.length > 0, `${path.pathname} has no commands`)
  const rewritten: string[] = []
  for (const { preamble, command, want } of blocks) {
    const got = handle(command)
    if (process.env.REWRITE) rewritten.push(`${preamble}${command}\n----\n${got}\n`)
    else assert.equal(got, want, `${path.pathname}: ${command}`)
  }
  if (process.env.REWRITE) writeFileSync(path, rewritten.join(''))
}

function parse(text: string): Block[] {
  const blocks: Block[] = []
  const lines = text.trimEnd().split('\n')
  let preamble = ''
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!
    if (line === '' || line.startsWith('#')) {
      preamble += `${line}\n`
      continue
    }
    assert.equal(lines[at + 1], '----', `line ${at + 2}: ---- after the command`)
    const end = lines.indexOf('', at)
    const want = lines.slice(at + 2, end === -1 ? undefined : end)
    blocks.push({ preamble, command: line, want: want.join('\n') })
    preamble = ''
    at += 1 + want.length
  }
  return blocks
}
