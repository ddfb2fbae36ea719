import { Histogram } from '../base/histogram.ts'
import type { MemberId } from '../base/ids.ts'
import { type Message, MessageKind } from '../raft/types.ts'

/** Seconds; from 0.1 ms on, each twice the one before: those of etcd. */
const bounds: readonly number[] = Array.from({ length: 16 }, (_, i) => 0.0001 * 2 ** i)
/** A member that has not answered a heartbeat for so long is measured from its next one on. */
const lostMs = 5000

/**
 * How long heartbeats take to a member and back, its event loop included. Only a leader sends them: others learn nothing
 * new. The answer to an older one would make a trip look shorter, so a heartbeat is only timed when no other is under way.
 */
export class RoundTrips {
  readonly seconds = new Map<MemberId, Histogram>()
  readonly #nowMs: () => number
  readonly #sentMs = new Map<MemberId, number>()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  sent(messages: readonly Message[]): void {
    for (const { kind, to } of messages) {
      if (kind !== MessageKind.Heartbeat) continue
      const now = this.#nowMs()
      const before = this.#sentMs.get(to)
      if (before === undefined || now - before > lostMs) this.#sentMs.set(to, now)
    }
  }

  received({ kind, from }: Message): void {
    if (kind !== MessageKind.HeartbeatResponse) return
    const sentMs = this.#sentMs.get(from)
    if (sentMs === undefined) return
    this.#sentMs.delete(from)
    let seconds = this.seconds.get(from)
    if (seconds === undefined) {
      seconds = new Histogram(bounds)
      this.seconds.set(from, seconds)
    }
    seconds.observe((this.#nowMs() - sentMs) / 1000)
  }

  /** Only these are members now. */
  keep(members: { has(member: MemberId): boolean }): void {
    for (const known of [this.seconds, this.#sentMs])
      for (const member of known.keys()) if (!members.has(member)) known.delete(member)
  }
}
