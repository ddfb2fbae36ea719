import { readFileSync } from 'node:fs'
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { silentLog } from '../../src/base/log.ts'
import { type Method, type MethodTable, methodNames } from '../../src/grpc/method.ts'
import { startTransport, type Transport, type TransportOptions } from '../../src/grpc/transport.ts'
import type { Identity } from './certificates.ts'
import { FakeMember } from './fake-member.ts'

/** A table in which only the given methods (by path) are built. */
export function tableOf(built: Readonly<Record<string, Partial<Method>>>): MethodTable {
  const table: Record<string, Record<string, Method>> = {}
  for (const [service, names] of Object.entries(methodNames)) {
    table[service] = {}
    for (const name of names) {
      const row = { kind: 'notBuilt', access: 'open', onLearner: 'serve', label: name } as const
      table[service][name] = { ...row, ...built[`/${service}/${name}`] } as Method
    }
  }
  return table as unknown as MethodTable
}

export interface Harness extends AsyncDisposable {
  readonly member: FakeMember
  readonly transport: Transport
  readonly port: number
}

export async function serve(table: MethodTable, overrides: Partial<TransportOptions> = {}): Promise<Harness> {
  const member = new FakeMember()
  const transport = await startTransport({
    member,
    table,
    listenUrls: [new URL('http://127.0.0.1:0')],
    tls: null,
    reusePort: false,
    maxRequestBytes: 1_572_864,
    maxConcurrentStreams: 1000,
    grpcKeepaliveMinTimeMs: 5000,
    grpcKeepaliveIntervalMs: 7_200_000,
    grpcKeepaliveTimeoutMs: 20_000,
    log: silentLog,
    // Says what it was given.
    http1: (socket) => socket.once('data', (chunk: Buffer) => socket.end(chunk)),
    page: (stream) => stream.respond({ ':status': 404 }, { endStream: true }),
    ...overrides,
  })
  return {
    member,
    transport,
    port: transport.addresses[0]!.port,
    [Symbol.asyncDispose]: () => transport.close(0),
  }
}

const asItIs = (bytes: Buffer): Buffer => bytes

/** A real client that sends and receives encoded messages. */
export class RawClient implements Disposable {
  readonly client: Client

  constructor(port: number, creds = credentials.createInsecure(), options: Record<string, string | number> = {}) {
    this.client = new Client(`127.0.0.1:${port}`, creds, {
      'grpc.max_receive_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      ...options,
    })
  }

  /** Over TLS, with that certificate. */
  static by({ caFile, certFile, keyFile }: Identity, port: number): RawClient {
    const tls = credentials.createSsl(readFileSync(caFile), readFileSync(keyFile), readFileSync(certFile))
    // Node takes no IP address as a TLS server name.
    return new RawClient(port, tls, { 'grpc.ssl_target_name_override': 'localhost' })
  }

  unary(
    path: string,
    request: Uint8Array,
    metadata: Record<string, string> = {},
    deadlineMs = 10_000,
  ): Promise<Buffer> {
    const options = { deadline: Date.now() + deadlineMs }
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest<Buffer, Buffer>(
        path,
        asItIs,
        asItIs,
        Buffer.from(request),
        metadataOf(metadata),
        options,
        (error, value) => (error === null ? resolve(value!) : reject(error)),
      )
    })
  }

  /** The failure of a call that must fail. */
  async refusal(path: string, request: Uint8Array, metadata: Record<string, string> = {}): Promise<ServiceError> {
    try {
      await this.unary(path, request, metadata)
    } catch (error) {
      return error as ServiceError
    }
    throw new Error(`${path} should have been refused`)
  }

  bidi(path: string, metadata: Record<string, string> = {}) {
    return this.client.makeBidiStreamRequest<Buffer, Buffer>(path, asItIs, asItIs, metadataOf(metadata))
  }

  serverStream(path: string, request: Uint8Array, metadata: Record<string, string> = {}) {
    const bytes = Buffer.from(request)
    return this.client.makeServerStreamRequest<Buffer, Buffer>(path, asItIs, asItIs, bytes, metadataOf(metadata))
  }

  [Symbol.dispose](): void {
    this.client.close()
  }
}

function metadataOf(values: Record<string, string>): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(values)) metadata.set(name, value)
  return metadata
}
