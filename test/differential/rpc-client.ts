import { type ChannelCredentials, Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { Code } from '../../src/errors.ts'

/** How a call ended. */
export interface Status {
  readonly code: number
  readonly message: string
}

export type Outcome = { readonly ok: Uint8Array } | { readonly error: Status }

const callMsMax = 20_000
const asItIs = (bytes: Buffer): Buffer => bytes

/** A connection to one server on which messages are sent and received as bytes. */
export class RpcClient implements Disposable {
  readonly #client: Client

  constructor(
    port: number,
    creds: ChannelCredentials = credentials.createInsecure(),
    options: Readonly<Record<string, string | number>> = {},
  ) {
    this.#client = new Client(`127.0.0.1:${port}`, creds, {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      ...options,
    })
  }

  unary(
    path: string,
    request: Uint8Array,
    metadata: Readonly<Record<string, string>> = {},
    timeoutMs = callMsMax,
  ): Promise<Outcome> {
    return new Promise((resolve) => {
      const options = { deadline: Date.now() + timeoutMs }
      const done = (error: ServiceError | null, value?: Buffer): void =>
        resolve(error === null ? { ok: value! } : { error: statusOf(error) })
      const bytes = Buffer.from(request)
      this.#client.makeUnaryRequest(path, asItIs, asItIs, bytes, metadataOf(metadata), options, done)
    })
  }

  stream(path: string, metadata: Readonly<Record<string, string>> = {}): RpcStream {
    return new RpcStream(this.#client, path, metadataOf(metadata))
  }

  [Symbol.dispose](): void {
    this.#client.close()
  }
}

function metadataOf(values: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(values)) metadata.set(name, value)
  return metadata
}

const statusOf = ({ code, details }: ServiceError): Status => ({ code, message: details })

/** A call with messages both ways; what comes is kept until it is taken. */
export class RpcStream {
  readonly #call
  readonly #waiting = new Set<() => void>()
  readonly received: Uint8Array[] = []
  ended: Status | null = null

  constructor(client: Client, path: string, metadata: Metadata) {
    this.#call = client.makeBidiStreamRequest(path, asItIs, asItIs, metadata)
    this.#call.on('data', (message: Buffer) => {
      this.received.push(message)
      this.#changed()
    })
    this.#call.on('error', (error: ServiceError) => this.#end(statusOf(error)))
    this.#call.on('end', () => this.#end({ code: Code.Ok, message: '' }))
  }

  send(message: Uint8Array): void {
    this.#call.write(Buffer.from(message))
  }

  cancel(): void {
    this.#call.cancel()
  }

  /** Until `condition` holds, which is tried whenever something has come; false if it never does. */
  async until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    if (condition()) return true
    const late = Promise.withResolvers<boolean>()
    const timer = setTimeout(() => late.resolve(false), timeoutMs)
    const check = (): void => {
      if (condition()) late.resolve(true)
    }
    this.#waiting.add(check)
    try {
      return await late.promise
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(check)
    }
  }

  #end(status: Status): void {
    // After its trailers a call also ends; an error may come before or after that.
    if (this.ended === null || this.ended.code === Code.Ok) this.ended = status
    this.#changed()
  }

  #changed(): void {
    for (const check of this.#waiting) check()
  }
}
