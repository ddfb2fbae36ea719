import type { MemberInfo } from '../service/member.ts'
import type { CompactionPace } from './apply-stage.ts'
import type { RecoveredLog } from './ports.ts'

export interface ReplicaOptions {
  readonly info: MemberInfo
  readonly electionTicks: number
  readonly preVote: boolean
  /** Seeds election timeouts and proposal ids; differs at each start of the process. */
  readonly seed: number
  readonly recovered: RecoveredLog
  /** Applied entries kept in memory for followers that lag. */
  readonly logKeepEntries?: number
  /** How far the log may be wrong about a lease's remaining time; null: it says nothing of it. */
  readonly leaseCheckpointMs?: number | null
  readonly compaction?: CompactionPace
}
