import type { HealthCounts } from '../http/health-counts.ts'
import type { ServedThread } from '../threads/served-thread.ts'
import { counter, type Family, gauge } from './family.ts'

/** The serving threads, and what they hold for clients. */
export function servingFamilies(threads: readonly ServedThread[], health: readonly HealthCounts[]): Family[] {
  const sum = (read: (counts: ServedThread['counts']) => number): number =>
    threads.reduce((total, { counts }) => total + read(counts), 0)
  const perThread = (
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    read: (thread: ServedThread) => number,
  ): Family => ({
    name,
    help,
    type,
    samples: () => threads.map((thread, number) => ({ labels: { thread: String(number) }, value: read(thread) })),
  })
  return [
    gauge('etcd_debugging_mvcc_watch_stream_total', 'Open Watch calls.', () => sum(({ watches }) => watches.streams)),
    gauge('etcd_debugging_mvcc_watcher_total', 'Watches.', () => sum(({ watches }) => watches.watchers)),
    gauge('etcd_debugging_mvcc_slow_watcher_total', 'Watches that read history, or wait for their client.', () =>
      sum(({ watches }) => watches.slowWatchers),
    ),
    counter('etcd_debugging_mvcc_events_total', 'Events sent to watches.', () => sum(({ watches }) => watches.events)),
    counter('etcd_server_health_success', 'Times that /health said true.', () =>
      health.reduce((total, { succeeded }) => total + succeeded, 0),
    ),
    counter('etcd_server_health_failures', 'Times that /health said false.', () =>
      health.reduce((total, { failed }) => total + failed, 0),
    ),
    perThread('gauge', 'leasehold_serving_thread_up', 'Whether the serving thread runs.', ({ isRunning }) =>
      Number(isRunning),
    ),
    perThread(
      'counter',
      'leasehold_serving_thread_restarts_total',
      'Times that it was started again.',
      (thread) => thread.restarts,
    ),
    perThread(
      'counter',
      'leasehold_serving_thread_active_seconds_total',
      'For how long it has been at work since its last start: a second per second is all that it can do.',
      (thread) => thread.activeSeconds,
    ),
  ]
}
