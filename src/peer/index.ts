export type { PeerMembers } from './member-list.ts'
export { defaultPeerTimeouts, type PeerTimeouts } from './peer-limits.ts'
export { createPeers, type PeersOptions, type PeerTransport } from './peers.ts'
