export { defaultPeerTimeouts, type PeerTimeouts } from './peer-limits.ts'
export { createPeers, type PeerMembers, type PeersOptions, type PeerTransport } from './peers.ts'
