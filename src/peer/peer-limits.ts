/** Times and counts of the peer transport, in one place so that tests can shorten them. */
export interface PeerTimeouts {
  /** From the start of a dial to the answer to its hello; and from an accepted connection to its hello. */
  readonly helloMsMax: number
  /** A dialer sends a ping this often, so that silence means something. */
  readonly pingMs: number
  /** A connection on which nothing arrived for this long is dead. */
  readonly silenceMsMax: number
  readonly reconnectMsMin: number
  readonly reconnectMsMax: number
  /** A call that is not answered by then has failed. */
  readonly callMsMax: number
}

export const defaultPeerTimeouts: PeerTimeouts = {
  helloMsMax: 5000,
  pingMs: 1000,
  silenceMsMax: 5000,
  reconnectMsMin: 50,
  reconnectMsMax: 1000,
  callMsMax: 5000,
}

/** Version of the peer protocol: members of different ones do not talk. */
export const peerProtocolVersion = 1

/** Keeps clients and anything else that speaks TLS off the peer port. */
export const peerAlpn = 'leasehold-peer/1'

/** The first frame on a connection comes from someone unknown. */
export const helloFrameBytesMax = 1024

/** Accepted connections that have not said hello yet; more are closed at once. */
export const strangersMax = 256

/** Questions of one member that wait for an answer, at the asker and at the answerer. */
export const callsWaitingMax = 4096
