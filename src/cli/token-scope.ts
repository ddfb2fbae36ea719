import { parseScope, type Scope, ScopeError } from '../auth/scope.ts'
import { CommandError } from './failure.ts'
import { readFile } from './read-file.ts'

/** How a scope is asked for: in a short form, as the claim has it, or both. */
export interface ScopeOptions {
  readonly allow: readonly string[]
  readonly scope?: string
}

/** Null: as wide as may be. @throws CommandError that says what is wrong. */
export function scopeOfOptions({ allow, scope }: ScopeOptions): Scope | null {
  if (allow.length === 0 && scope === undefined) return null
  const claimed = scope === undefined ? [] : readClaim(scope)
  try {
    return parseScope([...allow.map(entryOf), ...claimed])
  } catch (error) {
    if (error instanceof ScopeError) throw new CommandError(error.message)
    throw error
  }
}

/** `read,write:prefix=/app/`: verbs, and for those on keys a range, up to the end of the text. */
function entryOf(text: string): object {
  const match = /^([a-z,]+)(?::(?:(all)|(key|prefix|from)=(.*)))?$/s.exec(text)
  if (match === null) {
    throw new CommandError(
      `--allow: ${JSON.stringify(text)} is not like read:prefix=/app/, write:key=k, read:all or lease`,
    )
  }
  const [, verbs = '', all, form, key] = match
  const range = all === 'all' ? { all: true } : form === undefined ? {} : { [form]: key }
  return { verbs: verbs.split(','), ...range }
}

function readClaim(text: string): readonly unknown[] {
  const json = text.startsWith('@') ? readFile(text.slice(1)).toString('utf8') : text
  let claim: unknown
  try {
    claim = JSON.parse(json)
  } catch {
    throw new CommandError('--scope: not JSON')
  }
  if (!Array.isArray(claim)) throw new CommandError('--scope: a scope is a list')
  return claim
}
