import type { AddressInfo } from 'node:net'
import { limits } from '../base/limits.ts'
import { type Listener, listen } from '../security/tls-listener.ts'
import type { TlsSource } from '../security/tls-source.ts'
import type { TlsCounts } from '../security/tls-status.ts'
import { createHttp1Server, type Http1Options } from './http1-server.ts'

export interface MetricsListenersOptions extends Http1Options {
  /** `https:` ones end TLS with `tls` and are checked like the client port; `http:` ones are plaintext. */
  readonly urls: readonly URL[]
  readonly tls: TlsSource | null
  readonly tlsCounts: TlsCounts
}

export interface MetricsListeners {
  /** One for each of the URLs, in order. */
  readonly addresses: readonly AddressInfo[]
  close(): Promise<void>
}

/**
 * Serves the paths of `paths.ts` and nothing else.
 *
 * @throws the system's error if an address cannot be listened on; nothing is left listening then.
 */
export async function startMetricsListeners(options: MetricsListenersOptions): Promise<MetricsListeners> {
  const { urls, tls, tlsCounts: counts, log } = options
  const server = createHttp1Server(options)
  const listeners: Listener[] = []
  const close = async (): Promise<void> => {
    server.close()
    await Promise.all(listeners.map((listener) => listener.close()))
  }
  try {
    for (const url of urls) {
      const { handshakeMsMax } = limits
      const onConnection = server.accept
      const alpn = ['http/1.1']
      listeners.push(await listen({ url, tls, alpn, reusePort: false, handshakeMsMax, log, counts, onConnection }))
    }
  } catch (error) {
    await close()
    throw error
  }
  return { addresses: listeners.map(({ address }) => address), close }
}
