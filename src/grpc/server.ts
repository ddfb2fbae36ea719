import { createHealthService } from '../service/health.ts'
import { createWatchService } from '../service/watch.ts'
import { methodNames } from './method.ts'
import { methodTable } from './methods.ts'
import { startTransport, type Transport, type TransportOptions } from './transport.ts'

export interface ServeClientsOptions extends Omit<TransportOptions, 'table'> {
  /** Whether clients may ask what can be called here. */
  readonly enableGrpcReflection: boolean
}
export type ClientServer = Transport

/**
 * Serves the client API of `options.member` on all of `listenUrls`.
 *
 * @throws TlsFileError, or the system's error if an address cannot be listened on; nothing is left listening then.
 */
export async function serveClients(options: ServeClientsOptions): Promise<ClientServer> {
  const watch = createWatchService(options.member, { log: options.log })
  const health = createHealthService(options.member, Object.keys(methodNames))
  let transport: Transport
  try {
    transport = await startTransport({
      ...options,
      table: methodTable({ watch, health, reflection: options.enableGrpcReflection }),
    })
  } catch (error) {
    watch.close()
    throw error
  }
  return {
    addresses: transport.addresses,
    close(drainMs) {
      health.stop()
      // Watches never end by themselves: their clients are told to go elsewhere first.
      watch.close()
      return transport.close(drainMs)
    },
  }
}
