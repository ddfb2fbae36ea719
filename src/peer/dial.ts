import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { MemberId } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import { clientTlsOptions } from '../security/tls-context.ts'
import { hostAndPort } from '../security/tls-listener.ts'
import type { PeerHello_Purpose } from '../wire/gen/internal.ts'
import { PeerConnection } from './connection.ts'
import type { FrameWriter } from './frame.ts'
import { helloFrame, judgeAnswer, Refusal, readHello } from './hello.ts'
import { isBoundTo, presentedUris } from './member-binding.ts'
import type { PeerContext } from './peer-context.ts'
import { helloFrameBytesMax, peerAlpn } from './peer-limits.ts'

export interface DialOptions {
  readonly url: URL
  readonly to: MemberId
  readonly purpose: PeerHello_Purpose
  readonly writer: FrameWriter
  /** The other side has accepted us. */
  onOpen(connection: PeerConnection): void
  onFrame(type: number, payload: Buffer): void
  /** Once, whether it was ever open or not. Never before `dial` has returned. */
  onClose(reason: string): void
}

/** Connects to a member: TCP, TLS with both certificates checked, hello. */
export function dial(context: PeerContext, options: DialOptions): PeerConnection {
  const { self, timeouts } = context
  const { to } = options
  let open = false
  const socket = connect(context, options.url)
  const connection = new PeerConnection(socket, helloFrameBytesMax, options.writer, {
    onFrame(type, payload) {
      if (open) return options.onFrame(type, payload)
      const refusal = judgeAnswer(readHello(type, payload), self.clusterId, self.memberId, to)
      if (refusal !== '') return connection.close(refusal)
      open = true
      clearTimeout(deadline)
      connection.establish(limits.peerFrameBytesMax)
      context.keepalive.add(connection)
      options.onOpen(connection)
    },
    onClose(reason) {
      clearTimeout(deadline)
      options.onClose(reason)
    },
  })
  const deadline = setTimeout(() => connection.close('no answer in time'), timeouts.helloMsMax)
  socket.once(context.tls === null ? 'connect' : 'secureConnect', () => {
    if (context.tls !== null) {
      const secured = socket as TLSSocket
      const refusal = context.tls.refusalOf(secured)
      if (refusal !== null) return connection.close(refusal)
      const { clusterToken, tls } = context
      if (clusterToken !== null && tls.material.verifyClients) {
        if (!isBoundTo(presentedUris(secured), clusterToken, context.nameOf(to)))
          return connection.close(Refusal.Binding)
      }
      if (secured.alpnProtocol !== peerAlpn) return connection.close('the other side does not speak the peer protocol')
    }
    socket.write(helloFrame(self.clusterId, self.memberId, to, options.purpose))
  })
  return connection
}

function connect(context: PeerContext, url: URL): Socket {
  const { host, port } = hostAndPort(url)
  const base = { host, port, noDelay: true, autoSelectFamily: true }
  if (context.tls === null) return connectPlain(base)
  return connectTls({ ...base, ...clientTlsOptions(context.tls.material, host, [peerAlpn]) })
}
