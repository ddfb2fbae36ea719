import { type ChildProcess, spawn } from 'node:child_process'
import type { Identity } from './certificates.ts'
import { cleanEnvironment, type Ran, type RunOptions, run } from './run.ts'
import { waitFor } from './wait-for.ts'

/**
 * For an answer, however busy the machine is: etcdctl's own are 2 and 5 seconds, and a login alone may take the 2. Who asks
 * where nobody answers gives times of its own.
 */
const patience = ['--dial-timeout=10s', '--command-timeout=20s']

/** The real etcdctl, version 3.4, with endpoints and certificates. */
export class Etcdctl {
  readonly #args: readonly string[]

  constructor(endpoints: readonly string[], identity: Identity | null) {
    this.#args = [
      `--endpoints=${endpoints.join(',')}`,
      ...patience,
      ...(identity === null
        ? []
        : [`--cacert=${identity.caFile}`, `--cert=${identity.certFile}`, `--key=${identity.keyFile}`]),
    ]
  }

  /** Whatever its exit code. */
  run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return run('etcdctl', [...this.#args, ...args], { ...options, env: { ETCDCTL_API: '3', ...options.env } })
  }

  /** @returns standard output. @throws if it fails. */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args)
    if (code !== 0) throw new Error(`etcdctl ${args.join(' ')}: exit code ${code}: ${stderr}${stdout}`)
    return stdout
  }

  /** Parsed `-w json`. Integers beyond 2^53 are rounded: use `ok` and a pattern for ids. */
  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.ok(...args, '-w', 'json')) as T
  }

  /** Starts something that goes on, such as `watch` or `lease keep-alive`. */
  start(...args: string[]): EtcdctlStream {
    return new EtcdctlStream([...this.#args, ...args])
  }
}

/** A running etcdctl and what it has printed so far. Its standard input stays open until it ends. */
export class EtcdctlStream {
  readonly #child: ChildProcess
  #output = ''
  #exited = false

  constructor(args: readonly string[]) {
    this.#child = spawn('etcdctl', args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...cleanEnvironment, ETCDCTL_API: '3' },
    })
    // It may end without reading its input.
    this.#child.stdin!.on('error', () => {})
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString()
      })
    this.#child.once('exit', () => {
      this.#exited = true
    })
  }

  get output(): string {
    return this.#output
  }

  /** Types one line into its standard input. */
  type(line: string): void {
    this.#child.stdin!.write(`${line}\n`)
  }

  /** Ctrl-D: no more input. */
  endInput(): void {
    this.#child.stdin!.end()
  }

  /** Ctrl-C, and the exit code; -1 if that signal ended it. */
  interrupt(): Promise<number> {
    this.#child.kill('SIGINT')
    return this.waitForExit()
  }

  waitForOutput(pattern: RegExp | string, timeoutMs?: number): Promise<string> {
    const has = (): boolean =>
      typeof pattern === 'string' ? this.#output.includes(pattern) : pattern.test(this.#output)
    return waitFor(
      `etcdctl prints ${pattern}, not only ${JSON.stringify(this.#output)}`,
      () => has() && this.#output,
      timeoutMs,
    )
  }

  waitForExit(): Promise<number> {
    return waitFor('etcdctl exits', () => this.#exited && { code: this.#child.exitCode ?? -1 }).then(({ code }) => code)
  }

  async stop(): Promise<void> {
    if (this.#exited) return
    this.#child.kill('SIGKILL')
    await waitFor('etcdctl ends', () => this.#exited)
  }
}
