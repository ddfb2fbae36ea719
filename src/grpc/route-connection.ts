import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

export interface Routes {
  /** HTTP/2; bytes that were read to find that out are back in the socket. */
  http2(socket: Socket): void
  /** HTTP/1.x, or at least bytes that begin like it; likewise unread. */
  http1(socket: Socket): void
}

/** First bytes of an HTTP/2 connection; three tell it from every HTTP/1 method (PROPFIND differs in the third from PRI). */
const prefaceStart = Buffer.from('PRI')
const firstBytesNeeded = prefaceStart.length

/**
 * Finds out what a client that is through its handshake speaks. ALPN decides for TLS; without it, as in plaintext, the
 * first bytes do. A client that stays silent for `silenceMsMax` or begins with garbage is disconnected.
 */
export function routeConnection(
  socket: Socket | TLSSocket,
  alpn: string | false,
  silenceMsMax: number,
  routes: Routes,
): void {
  if (alpn === 'h2') {
    routes.http2(socket)
    return
  }
  const encrypted = 'encrypted' in socket
  const silence = setTimeout(() => socket.destroy(), silenceMsMax)
  let first: Buffer = Buffer.alloc(0)
  const settle = (): void => {
    clearTimeout(silence)
    socket.off('readable', look)
    socket.off('end', hangUp)
    socket.off('close', settle)
  }
  const hangUp = (): void => {
    settle()
    socket.destroy()
  }
  const look = (): void => {
    const chunk: Buffer | null = socket.read()
    if (chunk === null) return
    first = first.length === 0 ? chunk : Buffer.concat([first, chunk])
    if (first.length < firstBytesNeeded) return
    settle()
    const isPreface = first.subarray(0, firstBytesNeeded).equals(prefaceStart)
    // HTTP/2 over TLS without ALPN is against the protocol, and no gRPC client does it.
    if ((isPreface && encrypted) || !(isPreface || isMethodStart(first))) {
      socket.destroy()
      return
    }
    socket.unshift(first)
    if (isPreface) routes.http2(socket)
    else routes.http1(socket)
  }
  socket.on('readable', look)
  socket.once('end', hangUp)
  socket.once('close', settle)
}

const isMethodStart = (bytes: Buffer): boolean => {
  for (let i = 0; i < firstBytesNeeded; i++) {
    const byte = bytes[i]!
    if (byte < 0x41 || byte > 0x5a) return false
  }
  return true
}
