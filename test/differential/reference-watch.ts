import { WatchRequest } from '../../src/wire/gen/rpc.ts'
import { Difference } from './difference.ts'
import { nul } from './values.ts'
import type { LoggedEvent, WatchLog } from './watch-log.ts'

const watchEverything = WatchRequest.encode({
  request_union: {
    $case: 'create_request',
    value: {
      ...{ key: nul, range_end: nul, start_revision: 1n, progress_notify: false },
      ...{ filters: [], prev_kv: true, watch_id: 0n, fragment: true },
    },
  },
}).finish()

/** A watch of the whole keyspace from its beginning, at both servers: what has happened, by which others are judged. */
export class ReferenceWatch {
  readonly history: LoggedEvent[] = []
  readonly #etcd: WatchLog
  readonly #leasehold: WatchLog

  constructor(etcd: WatchLog, leasehold: WatchLog) {
    this.#etcd = etcd
    this.#leasehold = leasehold
    for (const log of this.#logs) log.stream.send(watchEverything)
  }

  get #logs(): readonly WatchLog[] {
    return [this.#etcd, this.#leasehold]
  }

  /** Until it has brought `revision`, which has to be the last there is. */
  async readTo(revision: number, timeoutMs: number): Promise<void> {
    // The first revision is that of the empty store: nothing happened in it.
    const arrived = (log: WatchLog): boolean => revision <= 1 || lastRevision(log) >= BigInt(revision)
    for (const log of this.#logs) await log.stream.until(() => arrived(log), timeoutMs)
    const [theirs, ours] = this.#logs.map((log) => log.watches.get(0n)?.events.splice(0) ?? []) as [
      LoggedEvent[],
      LoggedEvent[],
    ]
    for (let i = 0; i < Math.max(theirs.length, ours.length); i++) {
      const [their, our] = [theirs[i]?.text ?? 'no more events', ours[i]?.text ?? 'no more events']
      if (their !== our) throw new Difference('watch', 'events of a watch of everything', their, our)
    }
    if (!this.#logs.every(arrived)) {
      const [there, here] = this.#logs.map((log) => `at ${lastRevision(log)} of ${revision}`) as [string, string]
      throw new Difference('watch', 'the watch of everything does not arrive', there, here)
    }
    this.history.push(...theirs)
  }

  close(): void {
    for (const log of this.#logs) log.stream.cancel()
  }
}

function lastRevision(log: WatchLog): bigint {
  log.read()
  return log.watches.get(0n)?.lastRevision ?? 0n
}
