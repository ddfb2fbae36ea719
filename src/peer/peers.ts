import type { AddressInfo } from 'node:net'
import { type ClusterId, formatId, type MemberId } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import type { Log } from '../base/log.ts'
import type { TlsFiles } from '../config/member-config.ts'
import type { Message } from '../raft/types.ts'
import type { PeerEvents, Peers } from '../replica/ports.ts'
import { DialerTls } from '../security/dialer-tls.ts'
import { type Resolver, remoteAddressProblem } from '../security/remote-address.ts'
import { type Listener, listen } from '../security/tls-listener.ts'
import { TlsSource } from '../security/tls-source.ts'
import type { TlsCounts } from '../security/tls-status.ts'
import type { Certificate } from '../x509/index.ts'
import { Acceptor } from './acceptor.ts'
import { Keepalive } from './keepalive.ts'
import { encodeMemberList, type PeerMembers } from './member-list.ts'
import { MemberRoster } from './member-roster.ts'
import type { PeerContext } from './peer-context.ts'
import { defaultPeerTimeouts, type PeerTimeouts, peerAlpn } from './peer-limits.ts'
import { failLater, PeerLink } from './peer-link.ts'
import { type SnapshotSender, sendSnapshot } from './snapshot-sender.ts'

export type { PeerMembers }

export interface PeersOptions {
  /** `--initial-cluster-token`: certificates may be bound to one member of the cluster of this name. Absent: not looked at. */
  readonly clusterToken?: string
  readonly self: { readonly clusterId: ClusterId; readonly memberId: MemberId }
  /** This one may be among them and is passed over. */
  readonly members: PeerMembers
  readonly listenUrls: readonly URL[]
  /** Null: plaintext, and all peer URLs are http. Else all are https: there is no falling back. */
  readonly tls: TlsFiles | TlsSource | null
  /** Counted up here, for both directions. */
  readonly tlsCounts?: TlsCounts
  readonly events: PeerEvents
  readonly log: Log
  readonly timeouts?: Partial<PeerTimeouts>
  /** Finds out whether a certificate may be used from the address that it is used from. Null: that is not asked. */
  readonly resolver?: Resolver | null
}

export interface PeerTransport {
  readonly peers: Peers
  /** Listens, then starts to dial. Rejects with the system's error or a TlsFileError; nothing is left open then. */
  start(): Promise<void>
  /** After a membership change was applied. Unusable URLs of a member are logged and skipped. */
  setMembers(members: PeerMembers): void
  /** Where it listens, in the order of `listenUrls`. */
  addresses(): readonly AddressInfo[]
  readonly connectedMs: Peers['connectedMs']
  /** Ends all connections; calls and snapshots under way fail. */
  close(): Promise<void>
}

/** @throws TlsFileError, or an Error on a listen URL whose scheme does not go with `tls`. */
export function createPeers(options: PeersOptions): PeerTransport {
  const { self, events, log } = options
  const timeouts = { ...defaultPeerTimeouts, ...options.timeouts }
  const source = options.tls === null ? null : TlsSource.of(options.tls)
  const tls = source === null ? null : new DialerTls(source, log, options.tlsCounts)
  const scheme = tls === null ? 'http:' : 'https:'
  const roster = new MemberRoster(self.memberId, scheme, log)
  const context: PeerContext = {
    self,
    events,
    log,
    timeouts,
    keepalive: new Keepalive(timeouts),
    clusterToken: options.clusterToken ?? null,
    nameOf: (member) => roster.nameOf(member),
    tls,
  }
  for (const url of options.listenUrls) {
    if (url.protocol !== scheme) throw new Error(`peer listen URL ${url.href}: the scheme must be ${scheme}//`)
  }

  const links = new Map<MemberId, PeerLink>()
  const snapshots = new Set<SnapshotSender>()
  const listeners: Listener[] = []
  let state: 'new' | 'started' | 'closed' = 'new'

  const { resolver = null } = options
  const admission =
    resolver === null
      ? {}
      : { admit: (leaf: Certificate, address: string) => remoteAddressProblem(leaf, address, resolver) }

  const acceptor = new Acceptor(context, {
    urlsOf: (member) => links.get(member)?.urls,
    seen: (member) => links.get(member)?.wake(),
    renewed: (member) => links.get(member)?.refresh(),
    memberList: () => encodeMemberList(roster.own),
  })

  /** Makes the links fit the roster. */
  const relink = (): void => {
    if (state === 'closed') return
    const wanted = roster.others()
    for (const [member, link] of links) {
      if (wanted.has(member)) continue
      links.delete(member)
      link.close()
      acceptor.drop(member)
    }
    for (const [member, urls] of wanted) {
      const existing = links.get(member)
      if (existing !== undefined) {
        existing.setUrls(urls)
        continue
      }
      const link = new PeerLink(context, member, urls, (members) => {
        if (links.get(member) === link && roster.vouch(member, members)) relink()
      })
      links.set(member, link)
      if (state === 'started') link.start()
    }
  }

  const setMembers = (members: PeerMembers): void => {
    roster.setOwn(members)
    relink()
    acceptor.announceMembers()
  }
  setMembers(options.members)

  const peers: Peers = {
    send(messages: readonly Message[]) {
      for (const message of messages) links.get(message.to)?.send(message)
    },
    sendSnapshot(message, source, done) {
      const link = links.get(message.to)
      if (state !== 'started' || link === undefined) {
        source.close()
        setImmediate(() => done(new Error(`no connection to member ${formatId(message.to)}`)))
        return
      }
      const sender = sendSnapshot(context, message.to, link.url, message, source, (error) => {
        snapshots.delete(sender)
        done(error)
      })
      snapshots.add(sender)
    },
    call(to, method, request, done) {
      const link = links.get(to)
      if (state === 'closed') failLater(done, 'stopped')
      else if (link === undefined) failLater(done, 'timeoutConnectionLost')
      else link.call(method, request, done)
    },
    connectedMs: (member) => links.get(member)?.connectedMs() ?? null,
  }

  let ownSerial = source?.material.leaf.serialNumber
  const unsubscribe = source?.onChange(() => {
    const { serialNumber } = source.material.leaf
    if (serialNumber === ownSerial) return
    ownSerial = serialNumber
    for (const link of links.values()) link.refresh()
  })

  const close = async (): Promise<void> => {
    state = 'closed'
    unsubscribe?.()
    context.keepalive.stop()
    tls?.close()
    for (const link of links.values()) link.close()
    links.clear()
    for (const sender of snapshots) sender.abort('this member stops')
    await Promise.all(listeners.map((listener) => listener.close()))
  }

  return {
    peers,
    async start() {
      try {
        for (const url of options.listenUrls) {
          const onConnection = acceptor.accept.bind(acceptor)
          const { handshakeMsMax } = limits
          const alpn = [peerAlpn]
          listeners.push(
            await listen({
              url,
              tls: source,
              alpn,
              reusePort: false,
              handshakeMsMax,
              log,
              onConnection,
              ...(options.tlsCounts === undefined ? {} : { counts: options.tlsCounts }),
              ...admission,
            }),
          )
        }
      } catch (error) {
        await close()
        throw error
      }
      if (state === 'closed') return close()
      state = 'started'
      if (tls === null) log.warn('connections between members are neither encrypted nor authenticated')
      else if (!tls.material.verifyClients) log.warn('connections between members are encrypted but not authenticated')
      context.keepalive.start()
      for (const link of links.values()) link.start()
    },
    setMembers,
    addresses: () => listeners.map((listener) => listener.address),
    connectedMs: peers.connectedMs,
    close,
  }
}
