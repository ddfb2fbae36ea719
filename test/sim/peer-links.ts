import type { MemberId, Term } from '../../src/base/ids.ts'
import { EtcdError } from '../../src/errors.ts'
import { type Message, MessageKind } from '../../src/raft/types.ts'
import type { Done, PeerEvents, Peers, SnapshotSink, SnapshotSource } from '../../src/replica/ports.ts'
import type { Machine } from './machine.ts'
import type { Network } from './network.ts'

/** Who answers under an id now; null if nobody does. */
export interface PeerDirectory {
  /** Runs `work` as an event of that member, if it is up. */
  at(member: MemberId, work: (peer: PeerEvents & { term(): Term }, machine: Machine) => void): void
}

export interface PeerLinksOptions {
  readonly self: MemberId
  readonly machine: Machine
  readonly network: Network
  readonly directory: PeerDirectory
  /** Sees each message before the network does. */
  readonly sent: (message: Message) => void
}

const callTimeoutMs = 2000
const snapshotStepTimeoutMs = 4000
/** A receiver gives up on a sender that has gone silent, as it would when the connection breaks. */
const snapshotSilenceMsMax = 5000
const reliable = { mayRepeat: false, mayBeLost: false }

/** The peer transport of one simulated member. */
export function openPeerLinks(options: PeerLinksOptions): Peers {
  const { self, machine, network, directory, sent } = options
  return {
    send: (messages) => {
      for (const message of messages) {
        if (!machine.alive()) return
        sent(message)
        // A forwarded proposal delivered twice would be two writes; no ordered transport does that.
        const isProposal = message.kind === MessageKind.Propose
        const mayRepeat = !isProposal || network.faults.repeatsProposals
        const renewed = isProposal && network.faults.renewsProposals
        const up = network.transmit(self, message.to, { mayRepeat, mayBeLost: true }, () =>
          directory.at(message.to, (peer) => peer.receive(renewed ? { ...message, term: peer.term() } : message)),
        )
        if (!up) machine.later(1, () => directory.at(self, (peer) => peer.unreachable(message.to)))
      }
    },
    sendSnapshot: (message, source, done) => {
      if (machine.alive()) streamSnapshot(options, message, source, done)
    },
    call: (to, method, request, done) => {
      if (!machine.alive()) return
      const settle = once(machine, callTimeoutMs, () => done(new EtcdError('timeoutConnectionLost'), null))
      network.transmit(self, to, reliable, () =>
        directory.at(to, (peer) =>
          peer.answer(self, method, request, (error, response) => {
            network.transmit(to, self, reliable, () =>
              directory.at(self, (_, now) => {
                if (now === machine) settle(() => done(error, response))
              }),
            )
          }),
        ),
      )
    },
    // Its network knows no connections that could be lost.
    connectedMs: () => Number.POSITIVE_INFINITY,
  }
}

/** One of `settle` and the timeout runs, whichever comes first. */
function once(machine: Machine, timeoutMs: number, timedOut: () => void): (settle: () => void) => void {
  let settled = false
  const late = machine.later(timeoutMs, () => {
    settled = true
    timedOut()
  })
  return (settle) => {
    if (settled) return
    settled = true
    late.cancel()
    settle()
  }
}

/** Offer, chunks one by one, end; each step is answered before the next and given up after a while. */
function streamSnapshot(options: PeerLinksOptions, message: Message, source: SnapshotSource, done: Done): void {
  const { self, machine, network, directory } = options
  const to = message.to
  let sink: SnapshotSink | null = null
  let receiver: Machine | null = null
  let silence: { cancel(): void } | null = null
  const listen = (where: Machine): void => {
    silence?.cancel()
    silence = where.later(snapshotSilenceMsMax, () => sink?.abort())
  }
  const end = (error?: Error): void => {
    source.close()
    if (error) {
      const abandoned = sink
      const where = receiver
      if (abandoned) directory.at(to, (_, now) => now === where && abandoned.abort())
      done(error)
    } else done()
  }
  const step = (work: (peer: PeerEvents, answer: (error: Error | null) => void) => void, next: () => void): void => {
    const settle = once(machine, snapshotStepTimeoutMs, () => end(new Error('the snapshot receiver does not answer')))
    network.transmit(self, to, reliable, () =>
      directory.at(to, (peer, now) => {
        if (receiver !== null && receiver !== now) return
        receiver = now
        listen(now)
        work(peer, (error) => {
          network.transmit(to, self, reliable, () =>
            directory.at(self, (_, sender) => {
              if (sender === machine) settle(() => (error ? end(error) : next()))
            }),
          )
        })
      }),
    )
  }
  const sendChunk = (): void => {
    let chunk: Uint8Array | null
    try {
      chunk = source.next()
    } catch (error) {
      return end(error as Error)
    }
    if (chunk === null) return finish()
    const bytes = chunk
    step((_, answer) => sink!.write(bytes, (error) => answer(error ?? null)), sendChunk)
  }
  const finish = (): void =>
    step(
      (peer, answer) =>
        sink!.finish((error, staged) => {
          silence?.cancel()
          if (error || !staged) return answer(error ?? new Error('nothing was staged'))
          peer.receiveSnapshot(message, staged)
          answer(null)
        }),
      () => end(),
    )
  step((peer, answer) => {
    sink = peer.acceptSnapshot(message)
    answer(sink ? null : new Error('the snapshot was refused'))
  }, sendChunk)
}
