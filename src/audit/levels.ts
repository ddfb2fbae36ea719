import { covers, mergeRanges } from '../auth/intervals.ts'
import type { Operation } from '../auth/operation.ts'
import { type KeyRange, rangesOverlap } from '../base/key-range.ts'
import { matcher } from './pattern.ts'

/** How much of a decision is written down: nothing, all but the keys, or all. */
export type Level = 'none' | 'metadata' | 'keys'

/**
 * `allowed`: the caller might, whatever came of it then. `denied`: it might not, or could not say who it is. `refused`: it
 * did not come to a decision, for the request was none.
 */
export type Verdict = 'allowed' | 'denied' | 'refused'

/** Which decisions a rule is for: those that all of its conditions are true of; an absent one always is. */
export interface AuditRule {
  readonly level: Level
  /** Patterns of names of the cluster's users; `*` is any text. Whom an outside issuer names has none here. */
  readonly users?: readonly string[]
  /** Patterns of `service/method`. */
  readonly methods?: readonly string[]
  readonly verdicts?: readonly Verdict[]
  /** All keys of the request are within these. */
  readonly within?: readonly KeyRange[]
  /** At least one of the keys of the request is within these. */
  readonly touches?: readonly KeyRange[]
}

/** The first rule that is for a decision says its level. Plain data, that can cross to threads. */
export interface AuditPolicy {
  readonly rules: readonly AuditRule[]
  /** Of what no rule is for. */
  readonly default: Level
}

/**
 * Everything with its keys, but for what clients and load balancers do all the time to stay alive.
 */
export const defaultPolicy: AuditPolicy = {
  rules: [
    {
      level: 'none',
      verdicts: ['allowed'],
      methods: ['grpc.health.v1.Health/*', 'grpc.reflection.*', 'etcdserverpb.Lease/LeaseKeepAlive'],
    },
  ],
  default: 'keys',
}

export interface Decision {
  /** Empty: no user of the cluster. */
  readonly user: string
  readonly verdict: Verdict
  /** Null: no keys are concerned. */
  readonly operation: Operation | null
}

/** Says the level of the decisions on one method. */
export type LevelOf = (decision: Decision) => Level

/** @param method as `service/method`. */
export function levelsOfMethod(policy: AuditPolicy, method: string): LevelOf {
  const rules = policy.rules.filter(({ methods }) => methods === undefined || matcher(methods)(method)).map(compile)
  return (decision) => {
    for (const { level, isFor } of rules) if (isFor(decision)) return atLeast(level, decision.verdict)
    return atLeast(policy.default, decision.verdict)
  }
}

/** Who was turned away is always written down. */
const atLeast = (level: Level, verdict: Verdict): Level =>
  level === 'none' && verdict === 'denied' ? 'metadata' : level

interface CompiledRule {
  readonly level: Level
  isFor(decision: Decision): boolean
}

function compile({ level, users, verdicts, within, touches }: AuditRule): CompiledRule {
  const isUser = users === undefined ? null : matcher(users)
  const merged = within === undefined ? null : mergeRanges(within)
  return {
    level,
    isFor: ({ user, verdict, operation }) =>
      (verdicts === undefined || verdicts.includes(verdict)) &&
      (isUser === null || isUser(user)) &&
      (merged === null || isEvery(operation, (range) => covers(merged, range))) &&
      (touches === undefined || isAny(operation, (range) => touches.some((each) => rangesOverlap(each, range)))),
  }
}

/** Leases may have any keys. */
function isEvery(operation: Operation | null, is: (range: KeyRange) => boolean): boolean {
  if (operation?.kind !== 'keys') return false
  return operation.needs.every((need) => (need.kind === 'read' || need.kind === 'write') && is(need.range))
}

const isAny = (operation: Operation | null, is: (range: KeyRange) => boolean): boolean =>
  operation?.kind === 'keys' &&
  operation.needs.some((need) =>
    need.kind === 'read' || need.kind === 'write' ? is(need.range) : need.kind !== 'lease',
  )
