import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { addTokenCommands } from '../../../src/cli/token.ts'

const page = (name: string): string => readFileSync(fileURLToPath(new URL(`../../../${name}`, import.meta.url)), 'utf8')

/** Thrown where a command would begin its work: it was understood. */
const understood = new Error('understood')

function program(): Command {
  const root = new Command('leasehold').exitOverride().configureOutput({ outputError: () => {} })
  addTokenCommands(root, () => {})
  return root.hook('preAction', () => {
    throw understood
  })
}

const commandsOf = (text: string): string[] =>
  [...text.matchAll(/leasehold (token [a-z][^`\n#,]*)/g)].map(([, command]) => command!.trim())

describe('each command that the pages on tokens name is one that there is', () => {
  for (const name of ['README.md', 'policies/tokens.md']) {
    const commands = commandsOf(page(name))
    assert.ok(commands.length >= 3, name)
    for (const command of commands)
      test(`${name}: ${command}`, async () => {
        await assert.rejects(program().parseAsync(command.split(/\s+/), { from: 'user' }), understood)
      })
  }
})
