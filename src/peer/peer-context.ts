import type { ClusterId, MemberId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { PeerEvents } from '../replica/ports.ts'
import type { DialerTls } from '../security/dialer-tls.ts'
import type { Keepalive } from './keepalive.ts'
import type { PeerTimeouts } from './peer-limits.ts'

/** What all parts of one member's peer transport share. */
export interface PeerContext {
  readonly self: { readonly clusterId: ClusterId; readonly memberId: MemberId }
  readonly events: PeerEvents
  readonly log: Log
  readonly timeouts: PeerTimeouts
  readonly keepalive: Keepalive
  /** What the cluster calls itself in certificates that are bound to one member; null: such a binding is not looked at. */
  readonly clusterToken: string | null
  /** What a member is called; empty if that is not known. */
  nameOf(member: MemberId): string
  /** Null: plaintext. */
  readonly tls: DialerTls | null
}
