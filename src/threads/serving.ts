import type { Log } from '../base/log.ts'
import type { MemberConfig } from '../config/member-config.ts'
import type { TlsSource } from '../security/tls-source.ts'
import type { CoreHandle } from './core-handle.ts'
import { LocalMember, type LocalState } from './local-member.ts'
import { auditorOf, type MemberAudit } from './member-audit.ts'
import { MemberPasswords } from './member-passwords.ts'
import { type ServeOptions, serveClientPort } from './serve-client-port.ts'
import type { ServedThread } from './served-thread.ts'
import { ServingCounts } from './serving-counts.ts'
import { startServingThreads } from './serving-threads.ts'

/** The live state as serving sees it; storage's LMDB state has all of it. */
export interface ServedState extends LocalState {
  path(): string
  onReplaced(callback: (path: string, release: () => void) => void): void
}

export interface Serving {
  readonly threads: readonly ServedThread[]
  /** Stops listening, lets calls under way finish for a moment, ends the rest. */
  close(): Promise<void>
}

const drainMs = 2000

interface ServingParts {
  readonly config: MemberConfig
  /** Null: plaintext. */
  readonly tls: TlsSource | null
  readonly core: CoreHandle
  readonly state: ServedState
  /** Those of the process. */
  readonly metrics: () => Promise<string>
  /** Null: nothing is audited. */
  readonly audit: MemberAudit | null
  readonly log: Log
}

/**
 * Serves clients of `core` as configured: in threads of their own, or in this one if `serveThreads` is 0.
 *
 * @throws an error in one line if an address or a TLS file cannot be used; nothing is left running then.
 */
export async function startServing(parts: ServingParts): Promise<Serving> {
  const { config } = parts
  const serve: ServeOptions = {
    listenUrls: config.listenClientUrls.map(String),
    maxRequestBytes: config.maxRequestBytes,
    maxConcurrentStreams: config.maxConcurrentStreams,
    grpcKeepaliveMinTimeMs: config.grpcKeepaliveMinTimeMs,
    grpcKeepaliveIntervalMs: config.grpcKeepaliveIntervalMs,
    grpcKeepaliveTimeoutMs: config.grpcKeepaliveTimeoutMs,
    enableGrpcReflection: config.enableGrpcReflection,
    clientCertAuth: config.clientTls?.clientCertAuth === true,
    clientCertIdentity: config.clientCertIdentity,
    passwordLengthMin: config.authPasswordLengthMin,
    authToken: config.authToken,
    tokens: config.tokens,
  }
  const passwords = new MemberPasswords(config.bcryptCost)
  try {
    const serving = await (config.serveThreads === 0 ? serveHere : serveInThreads)(serve, passwords, parts)
    return {
      threads: serving.threads,
      close: async () => {
        await serving.close()
        await passwords.close()
      },
    }
  } catch (error) {
    await passwords.close()
    throw error
  }
}

async function serveHere(
  serve: ServeOptions,
  memberPasswords: MemberPasswords,
  { config, tls, core, state, metrics, audit: memberAudit, log }: ServingParts,
): Promise<Serving> {
  const member = new LocalMember(core, state)
  const counts = ServingCounts.create(config.metrics === 'extensive')
  try {
    const passwords = memberPasswords.here()
    const audit = memberAudit === null ? null : auditorOf(memberAudit.connect())
    memberAudit?.onPolicy((policy) => audit?.usePolicy(policy))
    const own = { member, tls, reusePort: false, counts, metrics, audit, log, passwords }
    const server = await serveClientPort(serve, own)
    const here: ServedThread = {
      counts,
      isRunning: true,
      restarts: 0,
      get activeSeconds() {
        return performance.eventLoopUtilization().active / 1000
      },
    }
    return {
      threads: [here],
      close: async () => {
        await server.close(drainMs)
        member.close()
        audit?.flush()
      },
    }
  } catch (error) {
    member.close()
    throw error
  }
}

async function serveInThreads(
  serve: ServeOptions,
  passwords: MemberPasswords,
  { config, tls, core, state, metrics, audit, log }: ServingParts,
): Promise<Serving> {
  const serving = startServingThreads({
    count: config.serveThreads,
    core,
    statePath: () => state.path(),
    onStateReplaced: (callback) => state.onReplaced(callback),
    serve,
    tls,
    timed: config.metrics === 'extensive',
    metrics,
    passwords,
    audit,
    log,
  })
  await serving.ready
  return { threads: serving.threads, close: () => serving.close(drainMs) }
}
