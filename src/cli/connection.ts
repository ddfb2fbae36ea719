import { isIP } from 'node:net'
import { checkServerIdentity } from 'node:tls'
import { type ChannelCredentials, Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { AuthenticateRequest, AuthenticateResponse } from '../wire/gen/rpc.ts'
import { type ConnectionOptions, durationOf, type Endpoint, endpointsOf, showingOf } from './connection-options.ts'
import { CommandError } from './failure.ts'
import { readFile } from './read-file.ts'

/** A call that was answered with a refusal, or not at all. `code` is gRPC's; the message is the server's. */
export class CallError extends CommandError {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

export interface ClusterClient {
  /**
   * Asks the cluster something: encoded messages in and out. The first endpoint that can be reached is asked; the next
   * one if it goes away meanwhile, or has no leader, but only if `isRepeatable`: the call may have been carried out.
   *
   * @param path such as /etcdserverpb.KV/Range.
   * @throws CallError
   */
  unary(path: string, request: Uint8Array, options?: { readonly isRepeatable?: boolean }): Promise<Uint8Array>
  close(): void
}

const checkHealth = '/grpc.health.v1.Health/Check'
const authenticate = '/etcdserverpb.Auth/Authenticate'

/**
 * A client of the cluster that `options` speak of, logged in if they say so.
 *
 * @throws CommandError for options that cannot be used; CallError if nobody can be reached, or the login fails.
 */
export async function connect(options: ConnectionOptions): Promise<ClusterClient> {
  const showing = showingOf(options)
  const cluster = new Endpoints(options)
  try {
    if (showing.kind === 'token') cluster.token = showing.token
    if (showing.kind === 'login') {
      const { name, password } = showing
      const request = AuthenticateRequest.encode({ name, password }).finish()
      const answer = await cluster.unary(authenticate, request, { isRepeatable: true })
      cluster.token = AuthenticateResponse.decode(answer).token
    }
    return cluster
  } catch (error) {
    cluster.close()
    throw error
  }
}

class Endpoints implements ClusterClient {
  token: string | null = null
  readonly #endpoints: readonly Endpoint[]
  readonly #clients: readonly Client[]
  readonly #dialMs: number
  readonly #callMs: number
  /** The one that answered last; those before it could not be reached. */
  #current = 0
  #isReached = false

  constructor(options: ConnectionOptions) {
    this.#endpoints = endpointsOf(options)
    this.#dialMs = durationOf('dial-timeout', options.dialTimeout)
    this.#callMs = durationOf('command-timeout', options.commandTimeout)
    const material = readMaterial(options)
    this.#clients = this.#endpoints.map((endpoint) => clientOf(endpoint, material, options))
  }

  async unary(
    path: string,
    request: Uint8Array,
    { isRepeatable = false }: { readonly isRepeatable?: boolean } = {},
  ): Promise<Uint8Array> {
    const problems: string[] = []
    for (let tried = 0; tried < this.#clients.length; tried++) {
      const client = this.#clients[this.#current]!
      const problem = this.#isReached ? null : await this.#reach(client)
      if (problem === null) {
        this.#isReached = true
        try {
          return await call(client, path, request, this.token, this.#callMs)
        } catch (error) {
          const isAway = error instanceof CallError && error.code === status.UNAVAILABLE
          if (!isAway || !isRepeatable) throw error
          problems.push(`${this.#endpoints[this.#current]!.address}: ${error.message}`)
        }
      } else problems.push(`${this.#endpoints[this.#current]!.address}: ${problem}`)
      this.#current = (this.#current + 1) % this.#clients.length
      this.#isReached = false
    }
    throw new CallError(status.UNAVAILABLE, problems.join('; '))
  }

  close(): void {
    for (const client of this.#clients) client.close()
  }

  /** Asks what has no effect, so that it is known what went wrong before anything that has one is sent. */
  async #reach(client: Client): Promise<string | null> {
    try {
      await call(client, checkHealth, new Uint8Array(0), null, this.#dialMs)
      return null
    } catch (error) {
      if (!(error instanceof CallError)) throw error
      // Whoever refuses is there.
      const isAway = error.code === status.UNAVAILABLE || error.code === status.DEADLINE_EXCEEDED
      return isAway ? error.message : null
    }
  }
}

interface Material {
  readonly ca: Buffer | null
  readonly cert: Buffer | null
  readonly key: Buffer | null
}

/** @throws CommandError */
function readMaterial({ cacert, cert, key }: ConnectionOptions): Material {
  if ((cert === undefined) !== (key === undefined)) throw new CommandError('--cert and --key need each other')
  const read = (file: string | undefined): Buffer | null => (file === undefined ? null : readFile(file))
  return { ca: read(cacert), cert: read(cert), key: read(key) }
}

function clientOf({ address, host, isSecure }: Endpoint, material: Material, options: ConnectionOptions): Client {
  return new Client(address, isSecure ? secure(host, material, options) : credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    'grpc.max_receive_message_length': -1,
    // An IP address is no name that may be sent in a handshake; what the certificate must say is checked below.
    ...(isIP(host) === 0 ? {} : { 'grpc.ssl_target_name_override': 'localhost' }),
  })
}

function secure(host: string, { ca, cert, key }: Material, options: ConnectionOptions): ChannelCredentials {
  try {
    return credentials.createSsl(ca, key, cert, {
      checkServerIdentity: (_name, certificate) =>
        options.insecureSkipTlsVerify === true ? undefined : checkServerIdentity(host, certificate),
      rejectUnauthorized: options.insecureSkipTlsVerify !== true,
    })
  } catch (error) {
    // The text of a failure to parse could quote the key.
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw new CommandError(`--cacert, --cert or --key cannot be used: ${code}`)
  }
}

const asItIs = (bytes: Buffer): Buffer => bytes

function call(
  client: Client,
  path: string,
  request: Uint8Array,
  token: string | null,
  deadlineMs: number,
): Promise<Uint8Array> {
  const metadata = new Metadata()
  if (token !== null) metadata.set('token', token)
  return new Promise((resolve, reject) => {
    const done = (error: ServiceError | null, answer?: Buffer): void => {
      if (error !== null) reject(new CallError(error.code, error.details || error.message))
      else resolve(answer ?? new Uint8Array(0))
    }
    const deadline = Date.now() + deadlineMs
    client.makeUnaryRequest(path, asItIs, asItIs, Buffer.from(request), metadata, { deadline }, done)
  })
}
