import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, credentials, type ServiceError } from '@grpc/grpc-js'
import { PutRequest, PutResponse } from '../../src/wire/gen/rpc.ts'
import type { Identity } from './certificates.ts'
import { waitFor } from './wait-for.ts'

export interface WriteLoadOptions {
  readonly endpoints: readonly string[]
  readonly identity: Identity
  /** Writers that each have one write in flight. */
  readonly writers: number
  readonly keyPrefix: string
  /** After which a write has failed; 2000 if not given. */
  readonly deadlineMs?: number
}

const callDeadlineMs = 2000
const failureBackoffMs = 20

/** Writers that never stop until told, each write to a key of its own, and a record of those that were acknowledged. */
export class WriteLoad implements AsyncDisposable {
  /** Key -> value of every write that the cluster said it has. */
  readonly acknowledged = new Map<string, string>()
  failures = 0
  lastError: unknown = null
  readonly #options: WriteLoadOptions
  readonly #clients: readonly Client[]
  readonly #writers: Promise<void>[]
  #stopped = false

  constructor(options: WriteLoadOptions) {
    this.#options = options
    const { caFile, certFile, keyFile } = options.identity
    this.#clients = options.endpoints.map(
      (url) =>
        new Client(
          new URL(url).host,
          credentials.createSsl(readFileSync(caFile), readFileSync(keyFile), readFileSync(certFile)),
          // A member that is killed and comes back is tried again soon. Node refuses an IP address as the TLS server name
          // that grpc-js makes of the target; the certificates have localhost beside it.
          {
            'grpc.ssl_target_name_override': 'localhost',
            'grpc.initial_reconnect_backoff_ms': 100,
            'grpc.max_reconnect_backoff_ms': 500,
          },
        ),
    )
    this.#writers = Array.from({ length: options.writers }, (_, writer) => this.#write(writer))
  }

  async #write(writer: number): Promise<void> {
    let endpoint = writer
    for (let sequence = 0; !this.#stopped; sequence++) {
      const key = `${this.#options.keyPrefix}${writer}/${sequence}`
      const value = `value of ${key}`
      try {
        await this.#put(this.#clients[endpoint % this.#clients.length]!, key, value)
        this.acknowledged.set(key, value)
      } catch (error) {
        // It may or may not have been written; only what was acknowledged is promised.
        this.failures++
        this.lastError = error
        endpoint++
        await sleep(failureBackoffMs)
      }
    }
  }

  #put(client: Client, key: string, value: string): Promise<void> {
    const request = { ...PutRequest.decode(new Uint8Array(0)), key: Buffer.from(key), value: Buffer.from(value) }
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        '/etcdserverpb.KV/Put',
        (message: PutRequest) => Buffer.from(PutRequest.encode(message).finish()),
        (bytes: Buffer) => PutResponse.decode(bytes),
        request,
        { deadline: Date.now() + (this.#options.deadlineMs ?? callDeadlineMs) },
        (error: ServiceError | null) => (error === null ? resolve() : reject(error)),
      )
    })
  }

  /** Waits until `count` more writes are acknowledged than now. */
  async more(count: number, timeoutMs?: number): Promise<void> {
    const target = this.acknowledged.size + count
    await waitFor(`${count} more acknowledged writes`, () => this.acknowledged.size >= target, timeoutMs).catch(
      (error) => {
        const { acknowledged, failures } = this
        throw new Error(`${error.message}; in all ${acknowledged.size}, and ${failures} failures`, {
          cause: this.lastError,
        })
      },
    )
  }

  /** Repeatable. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#writers)
    for (const client of this.#clients) client.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
