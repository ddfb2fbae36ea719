import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { cleanEnvironment, leasehold } from './run.ts'
import { waitFor } from './wait-for.ts'

/** Lines of log kept for a failed test's message. */
const logLinesMax = 20_000

export interface TestMemberOptions {
  readonly name: string
  readonly dataDir: string
  readonly clientUrl: string
  readonly peerUrl: string
  readonly flags: readonly string[]
  /** `etcd` runs the real one with the same flags. */
  readonly program: 'leasehold' | 'etcd'
}

/** One member as a process of its own, which can be killed, paused, wiped and started again. */
export class TestMember {
  readonly name: string
  readonly clientUrl: string
  readonly peerUrl: string
  readonly dataDir: string
  readonly #options: TestMemberOptions
  #child: ChildProcess | null = null
  #exit: Promise<number | null> = Promise.resolve(null)
  #log: string[] = []

  constructor(options: TestMemberOptions) {
    this.name = options.name
    this.clientUrl = options.clientUrl
    this.peerUrl = options.peerUrl
    this.dataDir = options.dataDir
    this.#options = options
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`${this.name} is not running`)
    return this.#child.pid
  }

  get isRunning(): boolean {
    return this.#child !== null
  }

  /** Everything it has printed, over all its lives. */
  get log(): string {
    return this.#log.join('\n')
  }

  logTail(lines = 15): string {
    return this.#log.slice(-lines).join('\n')
  }

  /** @param extraFlags for this life only. */
  start(extraFlags: readonly string[] = []): void {
    if (this.#child !== null) throw new Error(`${this.name} is running`)
    const { program, flags } = this.#options
    // It stops with this process, even if that is killed: its standard input closes.
    const command = program === 'etcd' ? ['etcd'] : [leasehold, 'serve', '--stop-on-stdin-close']
    const child = spawn(command[0]!, [...command.slice(1), ...flags, ...extraFlags], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: cleanEnvironment,
    })
    child.stdin.on('error', () => {})
    for (const stream of [child.stdout, child.stderr]) this.#collect(stream)
    this.#child = child
    this.#exit = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code) => {
        this.#child = null
        resolve(code)
      })
    })
  }

  #collect(stream: NodeJS.ReadableStream): void {
    let rest = ''
    stream.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop() ?? ''
      this.#log.push(...lines)
      if (this.#log.length > logLinesMax) this.#log.splice(0, this.#log.length - logLinesMax)
    })
  }

  /** Sends a signal and does not wait. */
  signal(signal: NodeJS.Signals): void {
    if (this.#child === null) throw new Error(`${this.name} is not running`)
    this.#child.kill(signal)
  }

  /** Closes its standard input, as the death of its parent would. */
  closeStdin(): void {
    this.#child?.stdin?.end()
  }

  /** @returns the exit code; null if a signal ended it. */
  async exited(timeoutMs?: number): Promise<number | null> {
    await waitFor(`${this.name} exits; its log:\n${this.logTail()}`, () => this.#child === null, timeoutMs)
    return this.#exit
  }

  async kill(): Promise<void> {
    if (this.#child === null) return
    this.signal('SIGKILL')
    await this.exited()
  }

  /** SIGTERM, and the exit code. */
  async terminate(): Promise<number | null> {
    this.signal('SIGTERM')
    return this.exited()
  }

  wipe(): void {
    if (this.#child !== null) throw new Error(`${this.name} is running`)
    rmSync(this.dataDir, { recursive: true, force: true })
  }
}
