import { Code, etcdErrors } from '../errors.ts'
import type { Difference } from '../policy/index.ts'
import { PolicyApplyRequest, PolicyApplyResponse } from '../wire/gen/leasehold.ts'
import { CallError, type ClusterClient } from './connection.ts'
import { CommandError } from './failure.ts'
import { type ClusterRules, rulesOf } from './policy-cluster.ts'

/** With which a call can end that was carried out. */
const outcomeUnknown: ReadonlySet<number> = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.Canceled,
  Code.Internal,
  Code.Unknown,
])

/**
 * Sends the change, once: if the answer is lost, looks at what became of it.
 *
 * @param isDone whether rules are those that were wanted.
 * @returns the auth revision afterwards.
 * @throws CommandError that says whether anything was applied.
 */
export async function sendPolicy(
  cluster: ClusterClient,
  { request }: Difference,
  isDone: (rules: ClusterRules['rules']) => boolean,
): Promise<bigint> {
  try {
    const answer = await cluster.unary('/leasehold.v1.Policies/Apply', PolicyApplyRequest.encode(request).finish())
    return PolicyApplyResponse.decode(answer).auth_revision
  } catch (error) {
    if (!(error instanceof CallError)) throw error
    if (!outcomeUnknown.has(error.code)) throw new CommandError(refusalText(error), { cause: error })
    const { revision, rules } = await lookAgain(cluster, error)
    if (revision > request.expected_auth_revision && isDone(rules)) return revision
    const seen =
      revision === request.expected_auth_revision ? 'it is not applied so far' : 'others have changed the rules'
    throw new CommandError(`no answer (${error.message}): ${seen}; look with policy diff`, { cause: error })
  }
}

async function lookAgain(cluster: ClusterClient, { message }: CallError): Promise<ClusterRules> {
  try {
    return await rulesOf(cluster)
  } catch (error) {
    if (!(error instanceof CallError)) throw error
    const reason = `no answer (${message}), nor to what became of it (${error.message})`
    throw new CommandError(`${reason}: it may have been applied; look with policy diff`, { cause: error })
  }
}

function refusalText({ message }: CallError): string {
  if (message === etcdErrors.authOldRevision.message) {
    return 'the rules were changed meanwhile: nothing was applied; look at the difference again'
  }
  if (message === etcdErrors.invalidAuthManagement.message) {
    const reasons = [
      'nobody with the role root could log in any more',
      'you would not have it',
      'it would take a certificate, and you came without one (apply with one, to show that it is good)',
    ]
    return `${message}: ${reasons.join(', or ')}; nothing was applied`
  }
  return `${message}; nothing was applied`
}
