import { changeJson } from '../audit/change-json.ts'
import { auditing, root } from '../auth/operation.ts'
import { getSettings, listGroups, listRoles, listUsers } from '../auth/records.ts'
import { EtcdError } from '../errors.ts'
import { getRevision } from '../mvcc/meta.ts'
import { AuthChange } from '../wire/gen/internal.ts'
import { PolicyApplyRequest, PolicyApplyResponse, PolicyGetRequest, PolicyGetResponse } from '../wire/gen/leasehold.ts'
import { admit, requireAccess } from './access.ts'
import { refuseTooLarge } from './admission.ts'
import type { Call } from './call.ts'
import { decodeRequest } from './decode.ts'
import type { Member } from './member.ts'
import { proposeFor, respond } from './respond.ts'
import { losesLastPassword, losesRoot } from './root-loss.ts'

/** Users, roles and groups as a whole. What a change is refused for is decided where it is applied: `auth/policy-change.ts`. */

/** All rules of one state that has all that was acknowledged before, and its auth revision. */
export async function policyGet(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  decodeRequest(PolicyGetRequest, bytes)
  await member.readBarrier()
  return member.read((view) => {
    requireAccess(member, view, call, () => auditing)
    const { enabled, revision } = getSettings(view)
    const body = PolicyGetResponse.encode({
      header: undefined,
      enabled,
      auth_revision: revision,
      roles: listRoles(view),
      // Whatever else a user's row has is nobody's business.
      users: listUsers(view).map(({ name, roles, no_password }) => ({ name, roles, no_password })),
      groups: listGroups(view),
    }).finish()
    return respond(member, getRevision(view), body)
  })
}

/**
 * All of it or nothing, and only on the rules that the caller has seen.
 *
 * @throws EtcdError authOldRevision if those are not the newest ones; invalidAuthManagement if the caller would lose the
 *   root role by it, or nobody with that role would have a password, and the caller came with one.
 */
export async function policyApply(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const { expected_auth_revision, ...rows } = decodeRequest(PolicyApplyRequest, bytes)
  // Nobody else may make it wait for the others.
  admit(member, call, () => root)
  await member.readBarrier()
  const caller = member.read((view) => {
    const admitted = requireAccess(member, view, call, () => root)
    if (getSettings(view).revision !== expected_auth_revision) throw new EtcdError('authOldRevision')
    // True at the revision that the change is good for, and at no other will it be applied.
    if (losesRoot(view, admitted, rows)) {
      throw new EtcdError('invalidAuthManagement', { cause: 'the caller would lose the role root' })
    }
    if (losesLastPassword(view, admitted, rows)) {
      throw new EtcdError('invalidAuthManagement', {
        cause: 'root would need a certificate, and the caller showed none',
      })
    }
    return admitted
  })
  const value = { expected_revision: expected_auth_revision, ...rows, now_ms: BigInt(Date.now()) }
  const change = { $case: 'apply_policy', value } as const
  const request = AuthChange.encode({ change }).finish()
  refuseTooLarge(member, request)
  call.audit?.detail(changeJson(change))
  const outcome = await proposeFor(call, member, 'auth', request, caller)
  if (!outcome.ok) throw new EtcdError(outcome.reason)
  // Exactly one above what it was applied to.
  const auth_revision = expected_auth_revision + 1n
  return respond(member, outcome.revision, PolicyApplyResponse.encode({ header: undefined, auth_revision }).finish())
}
