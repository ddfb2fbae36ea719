import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { formatId, type MemberId, memberId } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import { EtcdError } from '../errors.ts'
import { MessageKind } from '../raft/types.ts'
import { limitedLog } from '../security/limited-log.ts'
import { checkIdentity } from '../security/tls-context.ts'
import { hostAndPort } from '../security/tls-listener.ts'
import { type PeerHello, PeerHello_Purpose } from '../wire/gen/internal.ts'
import { encodeAnswer, readCall } from './calls.ts'
import { PeerConnection } from './connection.ts'
import { FrameType, FrameWriter, PeerProtocolError } from './frame.ts'
import { helloFrame, Refusal, readHello } from './hello.ts'
import { isBoundTo, presentedUris } from './member-binding.ts'
import { decodeMessage } from './message-codec.ts'
import type { PeerContext } from './peer-context.ts'
import { callsWaitingMax, helloFrameBytesMax, peerAlpn, peerProtocolVersion, strangersMax } from './peer-limits.ts'
import { SnapshotReceiver } from './snapshot-receiver.ts'

/** What the acceptor asks about members. */
export interface MemberDirectory {
  /** Peer URLs of a current member other than this one; undefined for anyone else. */
  urlsOf(member: MemberId): readonly URL[] | undefined
  /** That member has just said hello: it is up. */
  seen(member: MemberId): void
  /** It said so with another certificate than before. */
  renewed(member: MemberId): void
  /** Encoded list of the members that this one knows to be in the cluster. */
  memberList(): Uint8Array
}

const replaced = 'replaced by a newer connection'

/** One refusal of each kind is news; the dialer will keep trying. */
const refusalsRememberedMax = 1000

/** Of one member. Certificates of both ends that change in the same moment replace a connection two or three times. */
const retiredMax = 8

/** Takes connections from other members: checks who they are, then passes on what they say. */
export class Acceptor {
  readonly #context: PeerContext
  readonly #directory: MemberDirectory
  readonly #strangers = new Set<PeerConnection>()
  /** The newest connection of each member, for each purpose. An older one is a leftover that nobody writes to. */
  readonly #current = { raft: new Map<MemberId, PeerConnection>(), snapshot: new Map<MemberId, PeerConnection>() }
  /** Of each member those before the newest, the oldest first: they have a moment to end what is under way. */
  readonly #retired = new Map<MemberId, Set<PeerConnection>>()
  /** Fingerprint of the certificate that each member presented last. */
  readonly #certificates = new Map<MemberId, string>()
  readonly #refusals = new Set<string>()
  readonly #log: ReturnType<typeof limitedLog>

  constructor(context: PeerContext, directory: MemberDirectory) {
    this.#context = context
    this.#directory = directory
    this.#log = limitedLog(context.log, 20, 10_000)
  }

  accept(socket: Socket, alpn: string | false): void {
    if (this.#context.tls !== null && alpn !== peerAlpn) {
      this.#log.warn('peer connection refused', { remote: remoteOf(socket), reason: 'no peer protocol (ALPN)' })
      return void socket.destroy()
    }
    if (this.#strangers.size >= strangersMax) {
      this.#log.warn('peer connection refused', { remote: remoteOf(socket), reason: 'too many at once' })
      return void socket.destroy()
    }
    // A socket that has ended does not know any more whose it was.
    const remote = remoteOf(socket)
    let onFrame: ((type: number, payload: Buffer) => void) | null = null
    let onClose: ((reason: string) => void) | null = null
    const connection = new PeerConnection(socket, helloFrameBytesMax, new FrameWriter(limits.peerQueueBytesMax), {
      onFrame: (type, payload) => {
        if (onFrame !== null) return onFrame(type, payload)
        const hello = readHello(type, payload)
        settle()
        const handlers = this.#welcome(connection, remote, hello)
        if (handlers === null) return
        onFrame = handlers.onFrame
        onClose = handlers.onClose
      },
      onClose: (reason) => {
        settle()
        if (onClose !== null) onClose(reason)
        else this.#log.warn('peer connection ended before a hello', { remote, reason })
      },
    })
    this.#strangers.add(connection)
    const deadline = setTimeout(() => connection.close('no hello in time'), this.#context.timeouts.helloMsMax)
    const settle = (): void => {
      clearTimeout(deadline)
      this.#strangers.delete(connection)
    }
  }

  /** Ends the connections of a member that was removed. */
  drop(member: MemberId): void {
    const { raft, snapshot } = this.#current
    for (const connection of [raft.get(member), snapshot.get(member), ...(this.#retired.get(member) ?? [])])
      connection?.close('removed from the cluster')
    this.#certificates.delete(member)
  }

  /** Tells all connected members that the list of members has changed. */
  announceMembers(): void {
    const list = this.#directory.memberList()
    for (const connection of this.#current.raft.values()) connection.writer.frame(FrameType.Members, list)
  }

  #welcome(connection: PeerConnection, remote: string, hello: PeerHello) {
    const { self, timeouts, keepalive } = this.#context
    const from = memberId(hello.from)
    const refusal = this.#judge(connection, hello)
    if (refusal !== '') {
      const known = `${formatId(from)} ${refusal}`
      if (!this.#refusals.has(known)) {
        if (this.#refusals.size >= refusalsRememberedMax) this.#refusals.clear()
        this.#refusals.add(known)
        this.#log.warn('peer connection refused', {
          remote,
          member: formatId(from),
          reason: refusal,
        })
      }
      const answer = helloFrame(self.clusterId, self.memberId, from, hello.purpose, refusal)
      connection.closeAfter(answer, refusal, timeouts.helloMsMax)
      return { onFrame: ignore, onClose: ignore }
    }
    for (const known of this.#refusals) if (known.startsWith(`${formatId(from)} `)) this.#refusals.delete(known)

    const isSnapshot = hello.purpose === PeerHello_Purpose.SNAPSHOT
    const connections = isSnapshot ? this.#current.snapshot : this.#current.raft
    const before = connections.get(from)
    if (isSnapshot) before?.close(replaced)
    else if (before !== undefined) this.#retire(from, before)
    connections.set(from, connection)
    connection.socket.write(helloFrame(self.clusterId, self.memberId, from, hello.purpose))
    connection.establish(limits.peerFrameBytesMax)
    keepalive.add(connection)
    if (!isSnapshot) connection.writer.frame(FrameType.Members, this.#directory.memberList())
    this.#directory.seen(from)
    if (this.#hasNewCertificate(from, connection)) this.#directory.renewed(from)

    const handlers = isSnapshot
      ? new SnapshotReceiver(this.#context, from, connection)
      : new RaftReceiver(this.#context, from, connection)
    return {
      onFrame: (type: number, payload: Buffer) => handlers.onFrame(type, payload),
      onClose: (reason: string) => {
        if (connections.get(from) === connection) connections.delete(from)
        this.#retired.get(from)?.delete(connection)
        this.#context.log.info('connection from member ended', {
          member: formatId(from),
          remote,
          reason,
        })
        handlers.onClose()
      },
    }
  }

  #retire(member: MemberId, connection: PeerConnection): void {
    const retired = this.#retired.get(member) ?? new Set()
    this.#retired.set(member, retired.add(connection))
    const [oldest] = retired
    if (retired.size > retiredMax) oldest!.close(replaced)
    setTimeout(() => connection.close(replaced), this.#context.timeouts.callMsMax).unref()
  }

  #hasNewCertificate(member: MemberId, { socket }: PeerConnection): boolean {
    if (!(socket instanceof TLSSocket)) return false
    const fingerprint = socket.getPeerX509Certificate()?.fingerprint256 ?? ''
    const before = this.#certificates.get(member)
    this.#certificates.set(member, fingerprint)
    return before !== undefined && before !== fingerprint
  }

  /** The empty string, or why not. */
  #judge(connection: PeerConnection, hello: PeerHello): string {
    const { self, tls, clusterToken, nameOf } = this.#context
    if (hello.version !== peerProtocolVersion) return Refusal.Version
    if (hello.cluster_id !== self.clusterId) return Refusal.WrongCluster
    if (hello.to !== self.memberId) return Refusal.WrongMember
    const urls = this.#directory.urlsOf(memberId(hello.from))
    if (urls === undefined) return Refusal.UnknownMember
    if (tls?.material.verifyClients !== true) return ''
    if (!namesOneOf(connection.socket, urls)) return Refusal.Certificate
    if (clusterToken === null) return ''
    const uris = presentedUris(connection.socket as TLSSocket)
    return isBoundTo(uris, clusterToken, nameOf(memberId(hello.from))) ? '' : Refusal.Binding
  }
}

/**
 * A certificate of the right authority is not enough: one member must not speak in the name of another. A member's
 * certificate names its own peer addresses anyway, since that is what those who dial it check.
 */
function namesOneOf(socket: Socket, urls: readonly URL[]): boolean {
  if (!(socket instanceof TLSSocket)) return false
  const certificate = socket.getPeerCertificate()
  return urls.some((url) => checkIdentity(hostAndPort(url).host, certificate) === undefined)
}

/** Raft messages and calls of one member. */
class RaftReceiver {
  readonly #context: PeerContext
  readonly #from: MemberId
  readonly #connection: PeerConnection
  #answersDue = 0

  constructor(context: PeerContext, from: MemberId, connection: PeerConnection) {
    this.#context = context
    this.#from = from
    this.#connection = connection
  }

  /** @throws PeerProtocolError */
  onFrame(type: number, payload: Buffer): void {
    if (type === FrameType.Message) {
      const message = decodeMessage(payload)
      if (message.from !== this.#from) throw new PeerProtocolError('message in the name of another member')
      if (message.to !== this.#context.self.memberId) throw new PeerProtocolError('message for another member')
      if (message.kind === MessageKind.Snapshot) throw new PeerProtocolError('snapshot among raft messages')
      this.#context.events.receive(message)
    } else if (type === FrameType.Call) this.#call(payload)
    else throw new PeerProtocolError(`frame of type ${type} among raft messages`)
  }

  onClose(): void {}

  #call(payload: Buffer): void {
    const { id, method, request } = readCall(payload)
    if (this.#answersDue >= callsWaitingMax) {
      const answer = encodeAnswer(id, new EtcdError('tooManyRequests'), null)
      return void this.#connection.writer.frame(FrameType.Answer, answer)
    }
    this.#answersDue++
    this.#context.events.answer(this.#from, method, request, (error, response) => {
      this.#answersDue--
      if (error !== null && !(error instanceof EtcdError)) {
        this.#context.log.error('cannot answer another member', { member: formatId(this.#from), reason: error.message })
      }
      if (this.#connection.closed) return
      // An answer that finds the queue full is lost; the asker's timeout covers that.
      this.#connection.writer.frame(FrameType.Answer, encodeAnswer(id, error, response))
    })
  }
}

const remoteOf = (socket: Socket): string => `${socket.remoteAddress ?? 'unknown'}:${socket.remotePort ?? 0}`

const ignore = (): void => {}
