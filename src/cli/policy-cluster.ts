import { type Applicant, type Rules, rulesOfCluster } from '../policy/index.ts'
import { PolicyGetRequest, PolicyGetResponse, WhoAmIRequest, WhoAmIResponse } from '../wire/gen/leasehold.ts'
import { CallError, type ClusterClient } from './connection.ts'

/** The rules of a cluster, as they were at one revision. */
export interface ClusterRules {
  readonly enabled: boolean
  readonly revision: bigint
  readonly rules: Rules
}

/** @throws CallError */
export async function rulesOf(cluster: ClusterClient): Promise<ClusterRules> {
  const request = PolicyGetRequest.encode({}).finish()
  const answer = PolicyGetResponse.decode(
    await cluster.unary('/leasehold.v1.Policies/Get', request, { isRepeatable: true }),
  )
  return { enabled: answer.enabled, revision: answer.auth_revision, rules: rulesOfCluster(answer) }
}

/** Null if the cluster does not know, or cannot say: it judges by itself in the end. */
export async function applicantAt(cluster: ClusterClient): Promise<Applicant | null> {
  try {
    const request = WhoAmIRequest.encode({}).finish()
    const { user, groups } = WhoAmIResponse.decode(
      await cluster.unary('/leasehold.v1.Tokens/WhoAmI', request, { isRepeatable: true }),
    )
    // A name without a row in the table is that of an outside user, who is known by groups.
    return { user: groups.length > 0 ? '' : user, groups }
  } catch (error) {
    if (error instanceof CallError) return null
    throw error
  }
}
