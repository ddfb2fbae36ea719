import { clusterId, memberId } from '../../src/base/ids.ts'
import type { CompactionPace } from '../../src/replica/apply-stage.ts'
import type { MemberInfo } from '../../src/service/member.ts'
import { Dice } from './dice.ts'

export const faultKinds = [
  'crash',
  'crashInEvent',
  'crashAll',
  'partition',
  'oneWay',
  'isolateLeader',
  'pause',
  'slowDisk',
  'slowLink',
  'diskFailure',
  'transfer',
  'membership',
  'wipe',
  'lossBurst',
] as const
export type FaultKind = (typeof faultKinds)[number]

/** A bug put in on purpose, to see that the checkers find it. */
export type Sabotage =
  | 'none'
  /** The log reports completion before anything is durable. */
  | 'logLies'
  /** A restarted member has forgotten its term and vote. */
  | 'votesForgotten'
  /** Reads are answered at once, without waiting for the index of their barrier. */
  | 'staleReads'
  /** The network delivers forwarded proposals twice. */
  | 'proposalsTwice'
  /** Leaders take forwarded proposals of any term. */
  | 'proposalsOfAnyTerm'
  /** One member's state changes when nobody asked for it. */
  | 'bitRot'

/** Everything about a run that its seed decides before it starts. */
export interface Settings {
  readonly seed: number
  readonly sabotage: Sabotage
  readonly members: number
  readonly info: MemberInfo
  readonly heartbeatMs: number
  readonly electionTicks: number
  readonly preVote: boolean
  readonly logKeepEntries: number
  readonly compaction: CompactionPace
  readonly clients: number
  readonly keys: number
  readonly leaseClients: number
  /** Virtual milliseconds by which the log may be wrong about a lease; null: no checkpoints. */
  readonly leaseCheckpointMs: number | null
  /** Virtual milliseconds with faults; then the world heals and must work. */
  readonly faultsMs: number
  readonly faultEveryMs: number
  readonly faults: ReadonlySet<FaultKind>
  readonly clockDrift: number
  readonly lossRate: number
  readonly duplicateRate: number
  readonly reorders: boolean
  readonly networkDelayMs: readonly [number, number]
  readonly diskDelayMs: readonly [number, number]
  readonly stateDelayMs: readonly [number, number]
}

export interface SettingsOverrides {
  readonly sabotage?: Sabotage
  readonly faultsMs?: number
  readonly members?: number
  readonly preVote?: boolean
  readonly logKeepEntries?: number
  readonly clients?: number
  readonly leaseCheckpointMs?: number | null
  readonly faultEveryMs?: number
  readonly faults?: readonly FaultKind[]
}

/** Each run has its own mixture: a fault that is always on hides what happens without it. */
export function settingsOf(seed: number, overrides: SettingsOverrides = {}): Settings {
  const dice = new Dice(seed, 'settings')
  const electionTicks = 10
  const heartbeatMs = 100
  const faults = faultKinds.filter((kind) => dice.chance(kind === 'wipe' ? 0.2 : 0.5))
  const size = dice.pick([1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 5])
  const length = 15_000 + dice.below(15_000)
  const usesPreVote = !dice.chance(0.25)
  const faultEveryMs = dice.pick([400, 1000, 2000, 4000])
  const slowNetwork = dice.chance(0.2)
  const slowDisks = dice.chance(0.2)
  const logKeepEntries = dice.pick([4, 20, 20, 100, 5000])
  const clients = 1 + dice.below(6)
  const leaseCheckpointMs = new Dice(seed, 'lease checkpoints').pick([null, 500, 1000, 2000])
  return {
    seed,
    sabotage: overrides.sabotage ?? 'none',
    members: overrides.members ?? size,
    info: {
      clusterId: clusterId(0xc1n),
      memberId: memberId(0n),
      version: '3.4.23',
      maxTxnOps: 128,
      maxRequestBytes: 1_572_864,
      electionTimeoutMs: electionTicks * heartbeatMs,
      leaseTtlSecondsMin: 2,
      watchProgressIntervalMs: 600_000,
      authTokenTtlSeconds: 300,
    },
    heartbeatMs,
    electionTicks,
    preVote: overrides.preVote ?? usesPreVote,
    logKeepEntries: overrides.logKeepEntries ?? logKeepEntries,
    clients: overrides.clients ?? clients,
    keys: 1 + dice.below(5),
    leaseClients: dice.below(4),
    leaseCheckpointMs: overrides.leaseCheckpointMs === undefined ? leaseCheckpointMs : overrides.leaseCheckpointMs,
    faultsMs: overrides.faultsMs ?? length,
    faultEveryMs: overrides.faultEveryMs ?? faultEveryMs,
    faults: new Set(overrides.faults ?? faults),
    clockDrift: dice.pick([0, 0.01, 0.1]),
    lossRate: dice.pick([0, 0, 0.01, 0.05]),
    duplicateRate: dice.pick([0, 0, 0.02, 0.1]),
    reorders: dice.chance(0.4),
    networkDelayMs: slowNetwork ? [1, 120] : [0.2, 3],
    diskDelayMs: slowDisks ? [5, 80] : [0.2, 2],
    stateDelayMs: slowDisks ? [1, 40] : [0.1, 1],
    // Last, so that what a seed meant before it still means.
    compaction: { batchLimit: dice.pick([1, 5, 1000]), pauseMs: dice.pick([0, 10, 500]) },
  }
}
