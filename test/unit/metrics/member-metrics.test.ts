import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Histogram } from '../../../src/base/histogram.ts'
import { MemberMetrics } from '../../../src/metrics/member-metrics.ts'
import { ServingCounts } from '../../../src/threads/serving-counts.ts'
import { FakeMember } from '../../support/fake-member.ts'

test('a scrape that comes before all is counted waits: it never misses the metrics of the member', async () => {
  const metrics = new MemberMetrics()
  let answer: string | null = null
  const asked = metrics.text().then((text) => {
    answer = text
  })
  await setImmediate()
  await setImmediate()
  assert.equal(answer, null, 'client ports are open while other threads still start')

  const member = new FakeMember()
  const status = await member.status()
  const none = new Histogram([1])
  const thread = { counts: ServingCounts.create(false), isRunning: true, restarts: 0, activeSeconds: 0 }
  metrics.serving({
    core: {
      info: member.info,
      status: () => status,
      counts: () => ({
        ...{ leaderChanges: 0, proposalsPending: 0, proposalsFailed: 0, slowReadRounds: 0, readsFailed: 0 },
        ...{ puts: 0, deletes: 0, leasesGranted: 0, leasesRevoked: 0, leasesExpired: 0, installing: false },
      }),
      revision: () => 1,
      compactRevision: () => 0,
      stored: () => ({ keys: 0, leases: 0 }),
      connected: () => [],
      walSyncSeconds: none,
      checkpointSeconds: none,
      roundTripSeconds: new Map(),
    },
    threads: [thread],
    health: [thread.counts.health],
    tls: {
      status: () => ({
        ...{ certificates: [], lists: [], reloadProblem: null },
        reloads: { succeeded: 0, failed: 0 },
        renewals: { succeeded: 0, failed: 0 },
      }),
      counts: [{ port: 'client', counts: thread.counts.tls }],
      nowMs: () => 0,
    },
    audit: null,
  })
  await asked
  for (const name of ['process_cpu_seconds_total', 'etcd_server_has_leader', 'etcd_debugging_mvcc_watcher_total'])
    assert.match(answer ?? '', new RegExp(`^${name} `, 'm'))
})
