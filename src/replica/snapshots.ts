import type { MemberId } from '../base/ids.ts'
import { formatId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { getApplied, getConfState } from '../mvcc/meta.ts'
import { type Message, MessageKind, type SnapshotMeta } from '../raft/types.ts'
import type { Clock, Peers, SnapshotSink, StagedState, StateStore } from './ports.ts'

/** Until a snapshot that a member could not take is offered to it again. */
const retryMs = 1000

export interface SnapshotsHooks {
  reported(to: MemberId, ok: boolean): void
}

interface Staged {
  readonly meta: SnapshotMeta
  readonly state: StagedState
}

/** Snapshots going out, and the one that may be coming in. */
export class Snapshots {
  readonly #state: StateStore
  readonly #peers: Peers
  readonly #clock: Clock
  readonly #log: Log
  readonly #hooks: SnapshotsHooks
  readonly #sending = new Set<MemberId>()
  #incoming: SnapshotSink | null = null
  #staged: Staged | null = null

  constructor(ports: { state: StateStore; peers: Peers; clock: Clock; report: Log }, hooks: SnapshotsHooks) {
    this.#state = ports.state
    this.#peers = ports.peers
    this.#clock = ports.clock
    this.#log = ports.report
    this.#hooks = hooks
  }

  /** Sends the newest applied state; what raft asked for is at or before it. */
  send(message: Message): void {
    const to = message.to
    if (this.#sending.has(to)) return
    this.#sending.add(to)
    const source = this.#state.openSnapshot()
    const meta = source.read((view) => ({ ...getApplied(view), confState: getConfState(view) }))
    this.#log.info('sending database snapshot', { to: formatId(to), index: meta.index })
    const started = this.#clock.nowMs()
    this.#peers.sendSnapshot({ ...message, snapshot: meta }, source, (error) => {
      if (error) this.#log.warn('failed to send database snapshot', { to: formatId(to), error: error.message })
      else {
        const tookMs = Math.round(this.#clock.nowMs() - started)
        this.#log.info('sent database snapshot', { to: formatId(to), index: meta.index, tookMs })
      }
      const report = (): void => {
        this.#sending.delete(to)
        this.#hooks.reported(to, !error)
      }
      // Raft offers it again as soon as it hears of a failure.
      if (error) this.#clock.after(retryMs, report)
      else report()
    })
  }

  /** Sends messages that snapshots may be among. */
  sendWith(messages: readonly Message[]): void {
    const others: Message[] = []
    for (const message of messages) {
      if (message.kind === MessageKind.Snapshot) this.send(message)
      else others.push(message)
    }
    if (others.length > 0) this.#peers.send(others)
  }

  /** @param committed what this member has anyway. @returns null if the offer is refused. */
  accept(message: Message, committed: number): SnapshotSink | null {
    const meta = message.snapshot
    if (!meta || meta.index <= committed || this.#incoming || this.#staged) return null
    const sink = this.#state.openSink()
    const release = (): void => {
      if (this.#incoming === guarded) this.#incoming = null
    }
    const guarded: SnapshotSink = {
      write: (chunk, done) => sink.write(chunk, done),
      finish: (done) =>
        sink.finish((error, staged) => {
          release()
          done(error, staged)
        }),
      abort: () => {
        release()
        sink.abort()
      },
    }
    this.#incoming = guarded
    this.#log.info('receiving database snapshot', { from: formatId(message.from), index: meta.index })
    return guarded
  }

  received(message: Message, state: StagedState): boolean {
    if (!message.snapshot || this.#staged) {
      state.discard()
      return false
    }
    this.#staged = { meta: message.snapshot, state }
    return true
  }

  /** The received state that raft decided to install. */
  take(meta: SnapshotMeta): StagedState | null {
    const staged = this.#staged
    if (!staged || staged.meta.index !== meta.index || staged.meta.term !== meta.term) return null
    this.#staged = null
    return staged.state
  }

  /** Raft did not want it after all. */
  discard(): void {
    this.#staged?.state.discard()
    this.#staged = null
  }
}
