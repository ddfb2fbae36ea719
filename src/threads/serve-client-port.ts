import type { Auditor } from '../audit/auditor.ts'
import type { Log } from '../base/log.ts'
import type { AuthTokenConfig } from '../config/auth-token.ts'
import type { TokensConfig } from '../config/token-settings.ts'
import { type ClientServer, type ServeClientsOptions, serveClients } from '../grpc/server.ts'
import { createHttp1Server } from '../http/http1-server.ts'
import type { CertificateIdentity } from '../security/client-name.ts'
import type { TlsSource } from '../security/tls-source.ts'
import type { Member } from '../service/member.ts'
import type { ServingCounts } from './serving-counts.ts'

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
  readonly clientCertIdentity: CertificateIdentity
  readonly passwordLengthMin: number
  readonly authToken: AuthTokenConfig
  readonly tokens: TokensConfig
}

/**
 * Serves all that a client port speaks: gRPC, and HTTP/1.1 beside it.
 *
 * @param parts.tls null: plaintext.
 * @param parts.metrics those of the whole process.
 * @throws the system's error if an address cannot be listened on; nothing is left listening then.
 */
export async function serveClientPort(
  { listenUrls, ...options }: ServeOptions,
  parts: {
    readonly member: Member
    readonly tls: TlsSource | null
    readonly reusePort: boolean
    readonly counts: ServingCounts
    readonly passwords: ServeClientsOptions['passwords']
    readonly metrics: () => Promise<string>
    /** Null: nobody takes note of what callers do. */
    readonly audit: Auditor | null
    readonly log: Log
  },
): Promise<Pick<ClientServer, 'close'>> {
  const { counts, metrics, ...shared } = parts
  const http1 = createHttp1Server({ member: parts.member, metrics, healthCounts: counts.health, log: parts.log })
  const server = await serveClients({
    ...options,
    ...shared,
    listenUrls: listenUrls.map((url) => new URL(url)),
    counts: counts.calls,
    watchCounts: counts.watches,
    tlsCounts: counts.tls,
    http1: (socket) => http1.accept(socket),
    page: http1.answerStream,
  })
  return {
    close(drainMs) {
      http1.close()
      return server.close(drainMs)
    },
  }
}
