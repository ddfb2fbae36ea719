import type { AuthorityEntry, IndexEntry, IssuedEntry, RevokedEntry } from './index-entry.ts'
import { PkiError } from './pki-error.ts'

export interface Generation extends AuthorityEntry {
  /**
   * `next`: trusted, does not issue yet; `issuing`: the one that issues; `last`: trusted, issues no more, its certificates
   * are being replaced; `retired`: history.
   */
  readonly role: 'next' | 'issuing' | 'last' | 'retired'
}

/** What the index says, taken together. */
export interface IndexState {
  readonly generations: ReadonlyMap<number, Generation>
  /** By serial, in the order of issue. */
  readonly issued: ReadonlyMap<string, IssuedEntry>
  readonly revoked: ReadonlyMap<string, RevokedEntry>
  /** Serials whose place another certificate has taken. */
  readonly replaced: ReadonlySet<string>
  /** Of the last revocation list; 0: none yet. All generations count together. */
  readonly crlNumber: number
  /** The issuing generation's last list; null: none yet. */
  readonly crl: { readonly at: string; readonly nextUpdate: string } | null
}

/** @throws PkiError if the entries contradict each other. */
export function foldIndex(entries: readonly IndexEntry[]): IndexState {
  const generations = new Map<number, Generation>()
  const issued = new Map<string, IssuedEntry>()
  const revoked = new Map<string, RevokedEntry>()
  const replaced = new Set<string>()
  const lists = new Map<number, { readonly at: string; readonly nextUpdate: string }>()
  let crlNumber = 0
  for (const entry of entries) {
    if (entry.event === 'authority') {
      if (generations.has(entry.generation)) throw new PkiError(`authority ${entry.generation} is there twice`)
      generations.set(entry.generation, { ...entry, role: generations.size === 0 ? 'issuing' : 'retired' })
    } else if (entry.event === 'issued') {
      issued.set(entry.serial, entry)
      if (entry.replaces !== null) replaced.add(entry.replaces)
    } else if (entry.event === 'revoked') {
      if (!revoked.has(entry.serial)) revoked.set(entry.serial, entry)
    } else if (entry.event === 'crl') {
      crlNumber = Math.max(crlNumber, entry.number)
      lists.set(entry.generation, { at: entry.at, nextUpdate: entry.nextUpdate })
    } else if (entry.event === 'rotation') rotate(generations, entry.step, entry.generation)
  }
  const issuing = [...generations.values()].find(({ role }) => role === 'issuing')
  if (issuing === undefined) throw new PkiError('no authority in it')
  return {
    generations,
    issued,
    revoked,
    replaced,
    crlNumber,
    crl: lists.get(issuing.generation) ?? null,
  }
}

function rotate(generations: Map<number, Generation>, step: string, number: number): void {
  const set = (from: Generation['role'], to: Generation['role']): void => {
    for (const each of generations.values())
      if (each.role === from) generations.set(each.generation, { ...each, role: to })
  }
  const next = generations.get(number)
  if (next === undefined) throw new PkiError(`rotation to authority ${number}, which is not in it`)
  if (step === 'begin') generations.set(number, { ...next, role: 'next' })
  else if (step === 'abort') set('next', 'retired')
  else if (step === 'switch') {
    set('issuing', 'last')
    set('next', 'issuing')
  } else set('last', 'retired')
}

/** The one of the role; null if there is none. */
export const generationAs = (state: IndexState, role: Generation['role']): Generation | null =>
  [...state.generations.values()].find((each) => each.role === role) ?? null

export const issuingGeneration = (state: IndexState): Generation => generationAs(state, 'issuing')!

/** Those whose certificates are trusted: the issuing one first. */
export const trustedGenerations = (state: IndexState): Generation[] =>
  (['issuing', 'last', 'next'] as const).flatMap((role) => generationAs(state, role) ?? [])

/** Certificates that count: neither revoked nor replaced nor expired before `nowMs`. */
export const currentCertificates = (state: IndexState, nowMs: number): IssuedEntry[] =>
  [...state.issued.values()].filter(
    ({ serial, notAfter }) => !state.revoked.has(serial) && !state.replaced.has(serial) && Date.parse(notAfter) > nowMs,
  )
