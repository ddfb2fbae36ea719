import { createServer } from 'node:net'
import { hostAndPort } from './tls-listener.ts'

/**
 * Serving threads share a port, and so the system would let the threads of another member share it too: clients would
 * reach the one or the other by chance. Listening once without sharing finds that out.
 *
 * @throws the system's error (EADDRINUSE and the like) if `url` cannot be listened on.
 */
export function requireFreeAddress(url: URL): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ ...hostAndPort(url), exclusive: true }, () => server.close(() => resolve()))
  })
}
