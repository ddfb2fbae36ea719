import { statSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { TrailFollower } from '../audit/follow.ts'
import { matcher } from '../audit/pattern.ts'
import { visible } from '../audit/render.ts'
import { beginPrefix, sealPrefix } from '../audit/seal.ts'
import { readTrailFolder } from '../audit/trail-folder.ts'
import { CommandError } from './failure.ts'

export interface AuditTailOptions {
  readonly lines: number
  readonly all?: boolean
  readonly follow: boolean
  readonly user: readonly string[]
  readonly method: readonly string[]
  readonly denied?: boolean
  readonly json?: boolean
}

/** What of a record is looked at here; its form is that of `audit/call-audit.ts`. */
interface AuditRecord {
  readonly [field: string]: unknown
  readonly user?: unknown
  readonly method?: unknown
  readonly verdict?: unknown
}

const lookedAtMs = 200

/** @returns the exit code, when it is interrupted or all has been printed. @throws CommandError */
export async function auditTail(dir: string, options: AuditTailOptions): Promise<number> {
  if (statSync(dir, { throwIfNoEntry: false })?.isDirectory() !== true) throw new CommandError(`${dir} is no folder`)
  const isWanted = filterOf(options)
  const show = (line: string): string => (options.json === true ? `${line}\n` : textOf(JSON.parse(line) as AuditRecord))
  const folder = readTrailFolder(dir)
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())
  // Whoever read this has gone.
  process.stdout.on('error', () => interrupted.abort())

  const follower = new TrailFollower(folder, options.all === true ? null : firstOf(folder.list()))
  const wanted = function* (): Generator<string> {
    for (const line of follower.next()) if (isWanted(line)) yield line
  }
  if (options.all === true) for (const line of wanted()) process.stdout.write(show(line))
  else for (const line of lastOf(wanted(), options.lines)) process.stdout.write(show(line))
  while (options.follow && !interrupted.signal.aborted) {
    await pause(lookedAtMs, undefined, { signal: interrupted.signal }).catch(() => {})
    for (const line of wanted()) process.stdout.write(show(line))
  }
  return 0
}

/** The last file but one, too: the last may have just begun. */
const firstOf = (files: readonly number[]): number | null => files.at(-2) ?? files[0] ?? null

function lastOf(lines: Iterable<string>, count: number): string[] {
  const last: string[] = []
  for (const line of lines) {
    last.push(line)
    if (last.length > count) last.shift()
  }
  return last
}

function filterOf({ user, method, denied = false }: AuditTailOptions): (line: string) => boolean {
  const isUser = user.length === 0 ? null : matcher(user)
  const isMethod = method.length === 0 ? null : matcher(method)
  return (line) => {
    if (line.startsWith(sealPrefix) || line.startsWith(beginPrefix)) return false
    const record = recordOf(line)
    // Not for this command to judge: verify says what is wrong with it.
    if (record === null) return false
    if (isUser !== null && !isUser(String(record.user ?? ''))) return false
    if (isMethod !== null && !isMethod(String(record.method ?? ''))) return false
    return !denied || record.verdict === 'denied'
  }
}

/** @returns null for what is no JSON object. */
function recordOf(line: string): AuditRecord | null {
  try {
    const record: unknown = JSON.parse(line)
    return typeof record === 'object' && record !== null ? (record as AuditRecord) : null
  } catch {
    return null
  }
}

/** One line. Whatever came from outside is printed as JSON: nothing in it reaches the terminal as a command. */
function textOf(record: AuditRecord): string {
  const { kind, time, verdict, user, certificate, peer, method, event, reads, writes, leases, change, rule, code, ms } =
    record
  if (method === undefined) {
    const { kind: _, time: __, ...rest } = record
    return `${visible(`${time} ${kind} ${JSON.stringify(rest)}`)}\n`
  }
  const names = (certificate as { readonly names?: unknown } | undefined)?.names
  const parts = [
    time,
    kind === 'call' ? '' : kind,
    event ?? '',
    verdict,
    user === undefined ? '-' : JSON.stringify(user),
    names === undefined ? '' : `certificate ${JSON.stringify(names)}`,
    peer,
    method,
    reads === undefined ? '' : `reads ${JSON.stringify(reads)}`,
    writes === undefined ? '' : `writes ${JSON.stringify(writes)}`,
    leases === undefined ? '' : `leases ${JSON.stringify(leases)}`,
    change === undefined ? '' : JSON.stringify(change),
    `(${rule})`,
    code ?? '',
    ms === undefined ? '' : `${ms} ms`,
  ]
  return `${visible(parts.filter((part) => part !== '').join(' '))}\n`
}
