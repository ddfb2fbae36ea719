import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** How a member ended: its exit code, or the signal that killed it. */
export interface MemberExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface MemberProcess {
  readonly name: string
  readonly exited: Promise<MemberExit>
  /** Asks for a clean stop, and waits for it; kills after `patienceMs`. Repeatable. */
  stop(patienceMs: number): Promise<void>
}

/** Of the same kind (.ts or .js) as this file. */
const main = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? 'main.ts' : 'main.js', import.meta.url))

/**
 * Starts `leasehold serve` as a process of its own, its log appended to `logFile`. It stops when this process is gone,
 * however that ended, because its standard input then closes; and it is in its own process group, so that Ctrl-C reaches
 * it through this process only and not twice.
 */
export function startMemberProcess(name: string, flags: readonly string[], logFile: string): MemberProcess {
  const log = openSync(logFile, 'a', 0o600)
  const child = spawn(process.execPath, [...process.execArgv, main, 'serve', '--stop-on-stdin-close', ...flags], {
    stdio: ['pipe', log, log],
    detached: true,
    env: withoutSettings(process.env),
  })
  closeSync(log)
  // Writing to a dead member's pipe is not an event of interest: `exited` tells.
  child.stdin?.on('error', () => {})
  const exited = exitOf(child)
  return {
    name,
    exited,
    async stop(patienceMs) {
      child.stdin?.end()
      const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs)
      await exited
      clearTimeout(timer)
    },
  }
}

function exitOf(child: ChildProcess): Promise<MemberExit> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
}

/** The caller's ETCD_ and LEASEHOLD_ variables are meant for some other member. */
const withoutSettings = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !/^(ETCD|LEASEHOLD)_/.test(name)))

/** The last thing a member said: its one-line refusal, or the message of its last log line. */
export function lastLogLine(logFile: string): string {
  const line = readFileSync(logFile, 'utf8').trimEnd().split('\n').at(-1) ?? ''
  try {
    const parsed: unknown = JSON.parse(line)
    if (typeof parsed === 'object' && parsed !== null && 'msg' in parsed) return String(parsed.msg)
    return line
  } catch {
    return line // Not every line is JSON: a refusal to start is plain text.
  }
}
