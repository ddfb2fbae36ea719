import type { Log } from '../base/log.ts'
import type { MemberConfig } from '../config/member-config.ts'
import { serveClients } from '../grpc/server.ts'
import type { TlsSource } from '../security/tls-source.ts'
import type { CoreHandle } from './core-handle.ts'
import { LocalMember, type LocalState } from './local-member.ts'
import { startServingThreads } from './serving-threads.ts'

/** The live state as serving sees it; storage's LMDB state has all of it. */
export interface ServedState extends LocalState {
  path(): string
  onReplaced(callback: (path: string, release: () => void) => void): void
}

/** How to serve, as plain data that can cross to threads. */
export interface ServeOptions {
  readonly listenUrls: readonly string[]
  readonly maxRequestBytes: number
  readonly maxConcurrentStreams: number
  readonly grpcKeepaliveMinTimeMs: number
  readonly grpcKeepaliveIntervalMs: number
  readonly grpcKeepaliveTimeoutMs: number
  readonly enableGrpcReflection: boolean
  /** Whether clients' certificates say which users they are. */
  readonly clientCertAuth: boolean
  readonly bcryptCost: number
}

export interface Serving {
  /** Stops listening, lets calls under way finish for a moment, ends the rest. */
  close(): Promise<void>
}

const drainMs = 2000

/**
 * Serves clients of `core` as configured: in threads of their own, or in this one if `serveThreads` is 0.
 *
 * @throws an error in one line if an address or a TLS file cannot be used; nothing is left running then.
 */
export async function startServing(options: {
  readonly config: MemberConfig
  /** Null: plaintext. */
  readonly tls: TlsSource | null
  readonly core: CoreHandle
  readonly state: ServedState
  readonly log: Log
}): Promise<Serving> {
  const { config, tls, core, state, log } = options
  const serve: ServeOptions = {
    listenUrls: config.listenClientUrls.map(String),
    maxRequestBytes: config.maxRequestBytes,
    maxConcurrentStreams: config.maxConcurrentStreams,
    grpcKeepaliveMinTimeMs: config.grpcKeepaliveMinTimeMs,
    grpcKeepaliveIntervalMs: config.grpcKeepaliveIntervalMs,
    grpcKeepaliveTimeoutMs: config.grpcKeepaliveTimeoutMs,
    enableGrpcReflection: config.enableGrpcReflection,
    clientCertAuth: config.clientTls?.clientCertAuth === true,
    bcryptCost: config.bcryptCost,
  }
  return config.serveThreads === 0
    ? serveHere(serve, tls, core, state, log)
    : serveInThreads(config.serveThreads, serve, tls, core, state, log)
}

async function serveHere(
  serve: ServeOptions,
  tls: TlsSource | null,
  core: CoreHandle,
  state: ServedState,
  log: Log,
): Promise<Serving> {
  const member = new LocalMember(core, state)
  const { listenUrls, ...rest } = serve
  const urls = listenUrls.map((url) => new URL(url))
  try {
    const server = await serveClients({ ...rest, tls, member, listenUrls: urls, reusePort: false, log })
    return {
      close: async () => {
        await server.close(drainMs)
        member.close()
      },
    }
  } catch (error) {
    member.close()
    throw error
  }
}

async function serveInThreads(
  count: number,
  serve: ServeOptions,
  tls: TlsSource | null,
  core: CoreHandle,
  state: ServedState,
  log: Log,
): Promise<Serving> {
  const threads = startServingThreads({
    count,
    core,
    statePath: () => state.path(),
    onStateReplaced: (callback) => state.onReplaced(callback),
    serve,
    tls,
    log,
  })
  await threads.ready
  return { close: () => threads.close(drainMs) }
}
