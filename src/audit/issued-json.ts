import { type Scope, scopeClaim } from '../auth/scope.ts'
import { textJson, visible } from './render.ts'

export interface IssuedToken {
  /** Whose it is. */
  readonly name: string
  /** By which it can be revoked. */
  readonly id: Uint8Array
  /** Null: it may all that its user may. */
  readonly scope: Scope | null
  readonly expiresMs: number
}

/** Entries of a scope that are written out. */
const entriesShownMax = 20

/** A token that was made, without the token; a field with a comma before it. */
export function issuedJson({ name, id, scope, expiresMs }: IssuedToken): string {
  const entries = scope === null ? [] : scopeClaim(scope)
  const shown = entries.slice(0, entriesShownMax).map((entry) => visible(JSON.stringify(entry)))
  const more = entries.length - shown.length
  const scopeField = scope === null ? '' : `,"scope":[${shown.join()}]${more > 0 ? `,"scopeMore":${more}` : ''}`
  const expires = new Date(Math.ceil(expiresMs)).toISOString()
  return `,"issued":{"user":${textJson(name)},"token":"${Buffer.from(id).toString('hex')}"${scopeField},"expires":"${expires}"}`
}
