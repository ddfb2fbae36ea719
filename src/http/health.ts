import type { LimitedLog } from '../security/limited-log.ts'
import type { Member } from '../service/member.ts'
import { type Answer, errorAnswer, textAnswer } from './answer.ts'
import { type HealthCheck, linearizableRead, nonLearner, problemOf, serializableRead } from './health-checks.ts'
import type { HealthCounts } from './health-counts.ts'

export interface HealthPaths {
  readonly member: Member
  readonly counts: HealthCounts
  readonly log: LimitedLog
}

/**
 * `/health`: whether the cluster can be read through this member, or with `serializable=true` whether this member can read
 * its own state. There are no alarms yet, which `exclude` could name.
 *
 * @source etcd 3.4 etcdserver/api/etcdhttp/metrics.go for the words and codes.
 */
export async function health({ member, counts, log }: HealthPaths, query: URLSearchParams): Promise<Answer> {
  const isLocal = query.get('serializable') === 'true'
  const reason = await problemOf(isLocal ? serializableRead : linearizableRead, member)
  counts.answered(reason === null)
  if (reason === null) return textAnswer('{"health":"true"}')
  log.warn('serving /health false', { reason })
  return errorAnswer(503, '{"health":"false"}')
}

type Checks = ReadonlyMap<string, HealthCheck>

/** Whether the process should be started again if it fails. */
export const livezChecks: Checks = new Map([['serializable_read', serializableRead]])

/** Whether clients should be sent here. */
export const readyzChecks: Checks = new Map([
  // Alarms cannot be raised yet, the one for corruption among them.
  ['data_corruption', async () => {}],
  ['serializable_read', serializableRead],
  ['linearizable_read', linearizableRead],
  ['non_learner', nonLearner],
])

/**
 * `/livez` and `/readyz`: all checks but those that `exclude` names, and with `verbose` each one's result.
 *
 * @source etcd 3.5.11 and 3.6, server/etcdserver/api/etcdhttp/health.go.
 */
export async function runChecks(checks: Checks, { member, log }: HealthPaths, query: URLSearchParams): Promise<Answer> {
  const excluded = new Set(query.getAll('exclude'))
  const asked = [...checks].filter(([name]) => !excluded.has(name))
  const results = await Promise.all(
    asked.map(async ([name, check]) => ({ name, problem: await problemOf(check, member) })),
  )
  const lines = results.map(({ name, problem }) =>
    problem === null ? `[+]${name} ok\n` : `[-]${name} failed: ${problem}\n`,
  )
  if (results.some(({ problem }) => problem !== null)) {
    log.warn('a health check fails', { checks: lines.join('').trimEnd() })
    return errorAnswer(503, lines.join(''))
  }
  return textAnswer(query.has('verbose') ? `${lines.join('')}ok\n` : 'ok\n')
}
