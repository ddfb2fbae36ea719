import { AccessRules } from '../auth/access-rules.ts'
import { assert, InvariantError } from '../base/assert.ts'
import { type Index, type MemberId, memberId, type Revision } from '../base/ids.ts'
import { EtcdError } from '../errors.ts'
import { getApplied, getRevision, putApplied, putRevision } from '../mvcc/meta.ts'
import type { WriteView } from '../mvcc/view.ts'
import { beginMutation, type Mutation, revisionWithin } from '../mvcc/write.ts'
import type { ConfChange, Entry } from '../raft/types.ts'
import { decodeCommand } from '../wire/command.ts'
import { decodeRequest } from '../wire/decode.ts'
import { ConfChange as ConfChangeCodec } from '../wire/gen/internal.ts'
import { AnswerRoom } from './answer-room.ts'
import { executeCommand } from './command.ts'
import { executeConfChange } from './conf-change.ts'
import type { LeaseChange, Outcome, WatchEvent } from './outcome.ts'

/** What one committed entry did. All but `outcome.body` is the same on every member. */
export interface Applied {
  readonly index: Index
  /** Null: a leader's no-op, or an entry that cannot be read. */
  readonly proposal: { readonly id: bigint; readonly proposer: MemberId } | null
  /** Null for a no-op. The body is empty unless it was wanted; the verdict is always there, see `Outcome`. */
  readonly outcome: Outcome | null
  readonly events: readonly WatchEvent[]
  readonly leaseChanges: readonly LeaseChange[]
  /** The accepted change of a configuration entry; null if it was refused, changed nothing or is another entry. */
  readonly confChange: ConfChange | null
  /** Set if the compaction revision moved: removal is to be driven by `compactBatch`. */
  readonly compactTo: Revision | null
}

/** Whether somebody on this member waits for the answer to a proposal. Must not change what is applied, and does not. */
export type Wants = (proposalId: bigint, proposer: MemberId) => boolean

/**
 * Applies committed entries, in order and each exactly once: those that the state already holds are skipped and not in
 * the result. Depends on nothing but the view and the entries.
 *
 * @param rules kept by the caller from one call to the next, to save reading what has not changed.
 * @throws InvariantError if an entry is missing between the state and the entries, or the state is damaged.
 */
export function applyEntries(
  view: WriteView,
  entries: readonly Entry[],
  wants: Wants,
  rules: AccessRules = new AccessRules(),
): Applied[] {
  rules.at(view)
  const before = getApplied(view)
  const startRevision = getRevision(view)
  let { index, term } = before
  let revision = startRevision
  const results: Applied[] = []
  const room = new AnswerRoom()
  for (const entry of entries) {
    if (entry.index <= index) continue
    assert(entry.index === index + 1, 'a committed entry is missing')
    const mutation = beginMutation(view, revision)
    results.push(
      entry.type === 'normal'
        ? applyNormal(mutation, entry, wants, rules, room)
        : applyConfChange(view, revision, entry, wants),
    )
    revision = revisionWithin(mutation)
    index = entry.index
    term = entry.term
  }
  if (revision !== startRevision) putRevision(view, revision)
  if (index !== before.index) putApplied(view, index, term)
  return results
}

/** @returns null if the state already holds the entry. */
export function applyEntry(view: WriteView, entry: Entry, wants: Wants): Applied | null {
  return applyEntries(view, [entry], wants)[0] ?? null
}

const noEvents: readonly WatchEvent[] = []
const noLeaseChanges: readonly LeaseChange[] = []

function applyNormal(mutation: Mutation, entry: Entry, wants: Wants, rules: AccessRules, allRoom: AnswerRoom): Applied {
  const { index } = entry
  if (entry.data.length === 0) return withoutEffect(index, null, null)
  let proposal: Applied['proposal'] = null
  try {
    const command = decodeCommand(entry.data)
    const proposer = memberId(command.proposer)
    proposal = { id: command.proposalId, proposer }
    const room = wants(command.proposalId, proposer) ? allRoom : null
    const { leftBytes } = allRoom
    const result = executeCommand(mutation, command, { room, rules, index })
    // An answer that is thrown away leaves its room to the next.
    if (result.body === null) allRoom.leftBytes = leftBytes
    const revision = revisionWithin(mutation)
    return {
      index,
      proposal,
      outcome:
        result.body === null
          ? { ok: false, revision, reason: 'responseTooLarge' }
          : { ok: true, revision, body: result.body },
      events: mutation.events,
      leaseChanges: result.leaseChanges,
      confChange: null,
      compactTo: result.compactTo,
    }
  } catch (error) {
    const refusal = refusalOf(error, mutation.main - 1)
    // A refusal after a write would leave half an operation behind.
    if (mutation.events.length > 0) throw new InvariantError('a write was refused halfway', { cause: error })
    return withoutEffect(index, proposal, refusal)
  }
}

function applyConfChange(view: WriteView, revision: Revision, entry: Entry, wants: Wants): Applied {
  const { index } = entry
  if (entry.data.length === 0) return withoutEffect(index, null, null)
  let proposal: Applied['proposal'] = null
  try {
    const request = decodeRequest(ConfChangeCodec, entry.data)
    const proposer = memberId(request.proposer_id)
    proposal = { id: request.proposal_id, proposer }
    const { change, body } = executeConfChange(view, request, wants(request.proposal_id, proposer))
    return { ...withoutEffect(index, proposal, { ok: true, revision, body }), confChange: change }
  } catch (error) {
    return withoutEffect(index, proposal, refusalOf(error, revision))
  }
}

/** Rethrows what is not a refusal: a bug or damaged storage. */
function refusalOf(error: unknown, revision: Revision): Outcome {
  if (error instanceof EtcdError) return { ok: false, revision, reason: error.reason }
  throw error
}

const withoutEffect = (index: Index, proposal: Applied['proposal'], outcome: Outcome | null): Applied => ({
  index,
  proposal,
  outcome,
  events: noEvents,
  leaseChanges: noLeaseChanges,
  confChange: null,
  compactTo: null,
})
