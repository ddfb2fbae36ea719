import { noMember } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import type { Log } from '../base/log.ts'
import { EtcdError } from '../errors.ts'
import type { Call } from './call.ts'
import type { Member } from './member.ts'
import type { MessageStream } from './stream.ts'
import type { WatchCounts } from './watch-counts.ts'
import { type WatchBounds, WatchHub } from './watch-hub.ts'
import { WatchStream } from './watch-stream.ts'
import { systemTimers, type WatchTimers } from './watch-timers.ts'

export interface WatchOptions {
  readonly log: Log
  readonly timers?: WatchTimers
  /** Counted up here, if given. */
  readonly counts?: WatchCounts
  /** For tests. */
  readonly bounds?: Partial<WatchBounds>
}

export interface WatchService {
  /** Serves one Watch call until it is over. */
  serve(stream: MessageStream, call: Call): void
  /** Ends all calls. */
  close(): void
}

/** Election timeouts without a leader after which streams that require one are ended. */
const leaderlessTimeoutsMax = 3

/**
 * The Watch RPC of one serving thread.
 *
 * @source etcd api/v3rpc/watch.go and interceptor.go for what clients see; DESIGN 3 for how it is built.
 */
export function createWatchService(member: Member, options: WatchOptions): WatchService {
  const timers = options.timers ?? systemTimers
  const bounds: WatchBounds = {
    queueBytesMax: limits.watchStreamQueueBytesMax,
    liveResponseBytesMax: limits.watchLiveResponseBytesMax,
    fragmentBytesMax: member.info.maxRequestBytes + limits.grpcOverheadBytes,
    ...options.bounds,
  }
  const hub = new WatchHub(member, timers, bounds, options.counts)
  let leaderless: { cancel(): void } | null = null
  let closed = false

  const endRequiringLeader = (): void => {
    const ended = [...hub.streams].filter((stream) => stream.requiresLeader)
    options.log.info('ending watch streams that require a leader', { streams: ended.length })
    for (const stream of ended) stream.end(new EtcdError('noLeader'))
  }
  const stopListening = member.onLeader((leader) => {
    if (leader !== noMember) {
      leaderless?.cancel()
      leaderless = null
    } else {
      // Terms go by without a leader: the wait began with the first of them.
      leaderless ??= timers.after(leaderlessTimeoutsMax * member.info.electionTimeoutMs, endRequiringLeader)
    }
  })

  return {
    serve(io, call) {
      if (closed) {
        io.end(new EtcdError('stopped'))
        return
      }
      const stream = new WatchStream(hub, io, call)
      if (stream.requiresLeader && member.leader() === noMember) stream.end(new EtcdError('noLeader'))
    },
    close() {
      closed = true
      stopListening()
      leaderless?.cancel()
      for (const stream of [...hub.streams]) stream.end(new EtcdError('stopped'))
    },
  }
}
