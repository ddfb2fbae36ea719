import { assert } from '../base/assert.ts'
import { type ClusterId, memberId } from '../base/ids.ts'
import { getClusterId, putApplied, putClusterId, putConfState, putRevision } from '../mvcc/meta.ts'
import type { WriteView } from '../mvcc/view.ts'
import type { MemberRecord } from '../wire/gen/internal.ts'
import { putMember } from './members.ts'

/** Where every member of a new cluster starts, byte for byte alike: revision 1, nothing applied, the first members. */
export interface Bootstrap {
  readonly clusterId: ClusterId
  /** Of the initial configuration. Their client URLs are not known yet: each member publishes its own. */
  readonly members: readonly MemberRecord[]
}

export function bootstrapState(view: WriteView, { clusterId, members }: Bootstrap): void {
  assert(getClusterId(view) === null, 'the state already belongs to a cluster')
  for (const member of members) putMember(view, member)
  putConfState(view, {
    voters: members.filter((member) => !member.is_learner).map((member) => memberId(member.id)),
    learners: members.filter((member) => member.is_learner).map((member) => memberId(member.id)),
  })
  putRevision(view, 1)
  putApplied(view, 0, 0)
  putClusterId(view, clusterId)
}
