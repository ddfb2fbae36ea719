import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const projectRoot = fileURLToPath(new URL('../..', import.meta.url))
export const leasehold = fileURLToPath(new URL('../../bin/leasehold', import.meta.url))

export interface Ran {
  /** Null if a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string | Uint8Array
  readonly cwd?: string
  /** Killed after this long. */
  readonly timeoutMs?: number
}

/** This process's environment without what would configure the programs under test. */
export const cleanEnvironment: Readonly<Record<string, string | undefined>> = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(ETCD|ETCDCTL|LEASEHOLD)_|^NODE_(OPTIONS|TEST_CONTEXT)$/.test(name),
  ),
)

/** Runs a program to its end. Output is decoded as UTF-8. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...cleanEnvironment, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    })
    const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
    child.stdout.on('data', (chunk: Buffer) => chunks.stdout.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => chunks.stderr.push(chunk))
    child.once('error', reject)
    // The child may end without reading its input.
    child.stdin.on('error', () => {})
    child.stdin.end(options.input)
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000)
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({
        code,
        stdout: Buffer.concat(chunks.stdout).toString(),
        stderr: Buffer.concat(chunks.stderr).toString(),
      })
    })
  })
}
