import { join } from 'node:path'
import { crlFile, readAuthority, readCertificateFile } from './authority-folder.ts'
import { trustedGenerations } from './index-state.ts'
import { PkiError } from './pki-error.ts'

export interface Expiring {
  readonly what: 'authority' | 'certificate' | 'revocation list'
  /** A common name, or a file. */
  readonly name: string
  readonly serial: string | null
  /** ISO 8601. */
  readonly endsAt: string
  readonly expired: boolean
}

export interface ExpiringOptions {
  /** The authority's folder; null: files only. */
  readonly dir: string | null
  readonly files: readonly string[]
  readonly withinMs: number
}

/**
 * What ends within the time from now. Of certificates also what did end within as much time before: those of parties that
 * are long gone would only hide the others. Revoked and replaced ones do not count. Soonest first.
 *
 * @param nowMs since the epoch; for tests.
 * @throws PkiError naming a file that cannot be read.
 */
export function expiring({ dir, files, withinMs }: ExpiringOptions, nowMs: number = Date.now()): Expiring[] {
  const all = [...(dir === null ? [] : inFolder(dir)), ...files.flatMap(inFile)]
  return all
    .filter(({ what, endsAt, noticeMs }) => {
      const leftMs = Date.parse(endsAt) - nowMs
      return leftMs <= Math.min(withinMs, noticeMs) && (what !== 'certificate' || leftMs >= -withinMs)
    })
    .map(({ noticeMs: _, ...each }) => ({ ...each, expired: Date.parse(each.endsAt) < nowMs }))
    .sort((a, b) => a.endsAt.localeCompare(b.endsAt))
}

interface Ending extends Omit<Expiring, 'expired'> {
  /** Before that long a time to its end nobody need hear of it. */
  readonly noticeMs: number
}

function inFolder(dir: string): Ending[] {
  const { state } = readAuthority(dir)
  const authorities = trustedGenerations(state).map(({ subject, serial, notAfter }) => ({
    what: 'authority' as const,
    name: subject,
    serial,
    endsAt: notAfter,
    noticeMs: Number.POSITIVE_INFINITY,
  }))
  const issued = [...state.issued.values()]
    .filter(({ serial }) => !state.revoked.has(serial) && !state.replaced.has(serial))
    .map(({ subject, serial, notAfter, dnsNames, ipAddresses, profile }) => ({
      what: profile === 'intermediate' ? ('authority' as const) : ('certificate' as const),
      name: [subject, ...dnsNames, ...ipAddresses].find((each) => each !== '') ?? serial,
      serial,
      endsAt: notAfter,
      noticeMs: Number.POSITIVE_INFINITY,
    }))
  return [...authorities, ...issued, ...(state.crl === null ? [] : [listEnding(dir, state.crl)])]
}

/** A list lives for days or weeks, and so would always end soon: it is time when two thirds of that are over. */
const listEnding = (dir: string, { at, nextUpdate }: { readonly at: string; readonly nextUpdate: string }): Ending => ({
  what: 'revocation list',
  name: join(dir, crlFile),
  serial: null,
  endsAt: nextUpdate,
  noticeMs: (Date.parse(nextUpdate) - Date.parse(at)) / 3,
})

const inFile = (file: string): Ending[] =>
  readCertificateFile(file).map((certificate) => ({
    what: 'certificate',
    name: file,
    serial: certificate.serial,
    endsAt: new Date(certificate.notAfterMs).toISOString(),
    noticeMs: Number.POSITIVE_INFINITY,
  }))

const unitsMs = new Map([
  ['h', 60 * 60 * 1000],
  ['d', 24 * 60 * 60 * 1000],
  ['w', 7 * 24 * 60 * 60 * 1000],
])

/** "36h", "30d", "4w" in milliseconds. @throws PkiError */
export function parsePeriod(text: string): number {
  const match = /^(\d{1,5})([hdw])$/.exec(text)
  if (match === null) throw new PkiError(`not a period: ${JSON.stringify(text)} (such as 36h, 30d or 4w)`)
  return Number(match[1]) * unitsMs.get(match[2]!)!
}
