import type { Histogram } from '../base/histogram.ts'
import { formatId, type MemberId, noMember, type Revision } from '../base/ids.ts'
import type { ReplicaCounts } from '../replica/counts.ts'
import type { MemberInfo, MemberStatus } from '../service/member.ts'
import { counter, type Family, gauge, histogram, histogramSamples, info } from './family.ts'

/** What the core is asked for; all of it at once, when somebody looks. */
export interface CoreSources {
  readonly info: MemberInfo
  status(): MemberStatus
  counts(): ReplicaCounts
  revision(): Revision
  /** 0: nothing was compacted. */
  compactRevision(): Revision
  /** Keys and leases that there are. */
  stored(): { readonly keys: number; readonly leases: number }
  /** The members that this one has a connection to. */
  connected(): readonly MemberId[]
  readonly walSyncSeconds: Histogram
  readonly checkpointSeconds: Histogram
  readonly roundTripSeconds: ReadonlyMap<MemberId, Histogram>
}

/** What the core knows, by etcd's names where what they say holds here, too. */
export function coreFamilies(core: CoreSources): Family[] {
  return [...raftFamilies(core), ...stateFamilies(core), ...diskFamilies(core), ...peerFamilies(core)]
}

function raftFamilies({ info: { memberId, version }, status, counts }: CoreSources): Family[] {
  const [major, minor] = version.split('.')
  return [
    gauge('etcd_server_has_leader', 'Whether this member knows a leader.', () => status().leader !== noMember),
    gauge('etcd_server_is_leader', 'Whether this member leads.', () => status().leader === memberId),
    gauge('etcd_server_is_learner', 'Whether this member is a learner.', () => status().isLearner),
    counter('etcd_server_leader_changes_seen_total', 'Times that a leader appeared.', () => counts().leaderChanges),
    // Gauges in etcd, too, for all their names.
    gauge('etcd_server_proposals_committed_total', 'Index of the last committed entry.', () => status().committedIndex),
    gauge('etcd_server_proposals_applied_total', 'Index of the last applied entry.', () => status().appliedIndex),
    gauge(
      'etcd_server_proposals_pending',
      'Proposals of this member without a verdict.',
      () => counts().proposalsPending,
    ),
    counter(
      'etcd_server_proposals_failed_total',
      'Proposals without a verdict in time.',
      () => counts().proposalsFailed,
    ),
    counter(
      'etcd_server_slow_read_indexes_total',
      'Rounds of linearizable reads that were asked again.',
      () => counts().slowReadRounds,
    ),
    counter(
      'etcd_server_read_indexes_failed_total',
      'Linearizable reads without an answer in time.',
      () => counts().readsFailed,
    ),
    gauge(
      'etcd_server_snapshot_apply_in_progress_total',
      'Whether a snapshot is being installed.',
      () => counts().installing,
    ),
    info('etcd_server_id', 'The id of this member in hexadecimal.', { server_id: formatId(memberId) }),
    info('etcd_server_version', 'The version of etcd that this member stands for.', { server_version: version }),
    info('etcd_cluster_version', 'The version of etcd that the cluster stands for.', {
      cluster_version: `${major}.${minor}`,
    }),
  ]
}

function stateFamilies({ status, counts, revision, compactRevision, stored }: CoreSources): Family[] {
  const puts = (): number => counts().puts
  const deletes = (): number => counts().deletes
  const allocated = (): number => status().sizeAllocatedBytes
  return [
    gauge('etcd_mvcc_db_total_size_in_bytes', 'Size of the state on disk.', allocated),
    gauge('etcd_debugging_mvcc_db_total_size_in_bytes', 'Older name of etcd_mvcc_db_total_size_in_bytes.', allocated),
    gauge('etcd_mvcc_db_total_size_in_use_in_bytes', 'Of that, what holds something.', () => status().sizeInUseBytes),
    counter('etcd_mvcc_put_total', 'Keys put, by whatever request.', puts),
    counter('etcd_debugging_mvcc_put_total', 'Older name of etcd_mvcc_put_total.', puts),
    counter('etcd_mvcc_delete_total', 'Keys deleted, by whatever request.', deletes),
    counter('etcd_debugging_mvcc_delete_total', 'Older name of etcd_mvcc_delete_total.', deletes),
    gauge('etcd_debugging_mvcc_keys_total', 'Keys that there are.', () => stored().keys),
    gauge('etcd_debugging_mvcc_current_revision', 'The newest revision.', revision),
    gauge('etcd_debugging_mvcc_compact_revision', 'The last compaction; -1: there was none.', () =>
      compactRevision() === 0 ? -1 : compactRevision(),
    ),
    gauge('leasehold_leases', 'Leases that there are.', () => stored().leases),
    counter('etcd_debugging_lease_granted_total', 'Leases granted.', () => counts().leasesGranted),
    counter(
      'etcd_debugging_lease_revoked_total',
      'Leases revoked, by clients or because they expired.',
      () => counts().leasesRevoked,
    ),
    counter(
      'etcd_debugging_server_lease_expired_total',
      'Leases that this member found expired as leader.',
      () => counts().leasesExpired,
    ),
  ]
}

const diskFamilies = ({ walSyncSeconds, checkpointSeconds }: CoreSources): Family[] => [
  histogram('etcd_disk_wal_fsync_duration_seconds', 'Putting a record of the log on stable storage.', walSyncSeconds),
  histogram(
    'etcd_disk_backend_commit_duration_seconds',
    'Putting the state on stable storage, which happens by itself every two seconds under load.',
    checkpointSeconds,
  ),
]

function peerFamilies({ info: { memberId }, connected, roundTripSeconds }: CoreSources): Family[] {
  return [
    {
      name: 'etcd_network_peer_round_trip_time_seconds',
      help: 'From a heartbeat to its answer, while this member leads.',
      type: 'histogram',
      samples: function* () {
        for (const [member, seconds] of roundTripSeconds) yield* histogramSamples([seconds], { To: formatId(member) })
      },
    },
    {
      name: 'etcd_network_active_peers',
      help: 'Members that this one is connected to.',
      type: 'gauge',
      samples: () =>
        connected().map((member) => ({ labels: { Local: formatId(memberId), Remote: formatId(member) }, value: 1 })),
    },
  ]
}
