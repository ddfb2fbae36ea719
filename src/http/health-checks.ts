import { noMember } from '../base/ids.ts'
import { getRevision } from '../mvcc/meta.ts'
import type { Member } from '../service/member.ts'

/** How long a linearizable read may take before the member counts as not healthy. */
export const healthReadMsMax = 1000

/** Resolves if all is well; rejects with an Error that says in a few words what is not. */
export type HealthCheck = (member: Member) => Promise<void>

/** Whether this member can read its own state. */
export const serializableRead: HealthCheck = async (member) => {
  member.read(getRevision)
}

/** Whether this member can read what the cluster agrees on, which needs a leader and a quorum. */
export const linearizableRead: HealthCheck = async (member) => {
  if (member.leader() === noMember) throw new Error('no leader')
  await within(healthReadMsMax, member.readBarrier())
  await serializableRead(member)
}

/** A learner cannot answer for the cluster. */
export const nonLearner: HealthCheck = async (member) => {
  if ((await within(healthReadMsMax, member.status())).isLearner) throw new Error('not supported for learner')
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([work, tooLate])
  } finally {
    clearTimeout(timer)
  }
}

/** Why it failed; null: it did not. */
export async function problemOf(check: HealthCheck, member: Member): Promise<string | null> {
  try {
    await check(member)
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
