import type { Index, MemberId, Term } from '../../../src/base/ids.ts'
import { type Entry, type EntryId, type Message, MessageKind } from '../../../src/raft/types.ts'
import type { LogBatch, RecoveredLog } from '../../../src/replica/ports.ts'
import { fingerprint } from '../hash.ts'
import { requireProperty } from '../violation.ts'

/** An entry and all before it, in one number: equal chains are equal logs. */
type Chain = number

interface Link {
  readonly term: Term
  readonly chain: Chain
}

/** A member's log as it has asked its disk to keep it. */
interface MirroredLog {
  start: Index
  startChain: Chain
  links: Link[]
  entries: Entry[]
  /** Up to here the log has been found equal to the committed one. */
  verified: Index
  /** Of the newest hard state. */
  term: Term
}

interface Committed extends Link {
  /** Term of the member on which the commit was first seen: leaders of this and later terms must hold the entry. */
  readonly seenInTerm: Term
}

const chainOf = (before: Chain, entry: Entry): Chain =>
  fingerprint(`${before}/${entry.index}/${entry.term}/${entry.type}`, entry.data)

const linkAt = (log: MirroredLog, index: Index): Link | undefined => log.links[index - log.start - 1]

/**
 * The five safety properties of the Raft paper (figure 3), from what members write to their logs, send, and say of
 * their role and commit index.
 */
export class LogSafety {
  readonly #leaders = new Map<Term, MemberId>()
  /** (index, term) -> the log up to there: log matching says that there is only one. */
  readonly #chains = new Map<string, Chain>()
  readonly #logs = new Map<MemberId, MirroredLog>()
  readonly #committed: Committed[] = []
  readonly #onCommitted: (entry: Entry) => void

  /** @param onCommitted gets each committed entry once, in order. */
  constructor(onCommitted: (entry: Entry) => void) {
    this.#onCommitted = onCommitted
  }

  get committedIndex(): Index {
    return this.#committed.length
  }

  started(member: MemberId, recovered: RecoveredLog): void {
    const log = this.#emptyLog(recovered.start, recovered.hardState.term)
    const before = this.#logs.get(member)
    this.#logs.set(member, log)
    if (before) this.#forgetLostTerms(before, recovered.hardState.term)
    this.#extend(log, recovered.entries)
  }

  /**
   * An only voter leads a term before that is on disk, tells nobody until it is, and may lose it in a crash: it will
   * lead the same term again, with other entries. What is committed was known to others, and is never lost.
   */
  #forgetLostTerms(before: MirroredLog, durableTerm: Term): void {
    const lastKept = Math.max(before.start, this.committedIndex)
    for (let index = before.start + before.links.length; index > lastKept; index--) {
      const { term } = linkAt(before, index)!
      if (term <= durableTerm) return
      const isKnown = [...this.#logs.values()].some((log) => linkAt(log, index)?.term === term)
      if (!isKnown) this.#chains.delete(`${index}/${term}`)
    }
  }

  appended(member: MemberId, batch: LogBatch): void {
    const first = batch.entries[0]
    const log = this.#logOf(member)
    if (batch.hardState) log.term = batch.hardState.term
    if (!first) return
    requireProperty(first.index > log.start && first.index <= log.start + log.links.length + 1, 'log contract', () => {
      return `m${member} appends at ${first.index} to ${log.start + 1}..${log.start + log.links.length}`
    })
    const removed = log.links.slice(first.index - log.start - 1)
    log.links.length -= removed.length
    log.entries.length = log.links.length
    for (const link of removed) {
      // Deposed, it follows a newer leader like everybody else.
      const isItsLeader = this.#leaders.get(link.term) === member && log.term <= link.term
      requireProperty(!isItsLeader, 'leader append-only', () => {
        return `m${member} removed an entry of term ${link.term}, which it led, at or after ${first.index}`
      })
    }
    const verified = Math.min(log.verified, first.index - 1)
    this.#extend(log, batch.entries)
    for (let index = verified + 1; index <= log.verified; index++) {
      requireProperty(linkAt(log, index)?.chain === this.#committed[index - 1]?.chain, 'state machine safety', () => {
        return `m${member} replaced its committed entry ${index}`
      })
    }
  }

  resetTo(member: MemberId, snapshot: EntryId): void {
    const committed = this.#committed[snapshot.index - 1]
    requireProperty(committed?.term === snapshot.term, 'state machine safety', () => {
      return `m${member} installs a snapshot at ${snapshot.index}/${snapshot.term}; committed there: ${committed?.term}`
    })
    this.#logs.set(member, this.#emptyLog(snapshot, this.#logs.get(member)!.term))
  }

  sent(member: MemberId, message: Message): void {
    if (message.kind !== MessageKind.Append && message.kind !== MessageKind.Heartbeat) return
    this.#leads(member, message.term)
    if (message.kind !== MessageKind.Append) return
    this.#mustHold(member, message.term, message.index ?? 0, message.logTerm ?? 0)
    for (const entry of message.entries ?? []) this.#mustHold(member, message.term, entry.index, entry.term)
  }

  /**
   * A follower's commit index may speak of entries that still wait to be written, in place of others: only a leader's is
   * taken at its word, a follower's when it applies.
   */
  observed(member: MemberId, status: { readonly role: string; readonly term: Term; readonly commit: Index }): void {
    if (status.role !== 'leader') return
    const log = this.#logOf(member)
    if (this.#leads(member, status.term)) this.#checkCompleteness(member, status.term, log)
    this.#verify(member, log, Math.min(status.commit, log.start + log.links.length), status.term)
  }

  /** The member has written the effects of entries up to `index`; its state had those up to `before` already. */
  applied(member: MemberId, before: Index, index: Index, term: Term): void {
    const log = this.#logOf(member)
    if (index === before) return
    requireProperty(index <= log.start + log.links.length, 'state machine safety', () => {
      return `m${member} applies ${index}, which is not in its log`
    })
    this.#verify(member, log, index, term)
  }

  #verify(member: MemberId, log: MirroredLog, end: Index, term: Term): void {
    while (log.verified < end) {
      const index = log.verified + 1
      const link = linkAt(log, index)!
      const known = this.#committed[index - 1]
      if (known === undefined) {
        this.#committed.push({ ...link, seenInTerm: term })
        this.#onCommitted(log.entries[index - log.start - 1]!)
      } else {
        requireProperty(known.chain === link.chain, 'state machine safety', () => {
          return `m${member} committed ${index} of term ${link.term}; elsewhere it was of term ${known.term}`
        })
      }
      log.verified = index
    }
  }

  /** @returns true if this leader was not known before. */
  #leads(member: MemberId, term: Term): boolean {
    const leader = this.#leaders.get(term)
    requireProperty(leader === undefined || leader === member, 'election safety', () => {
      return `m${leader} and m${member} both lead term ${term}`
    })
    this.#leaders.set(term, member)
    return leader === undefined
  }

  /** At the moment of its election a leader's log holds every entry that was committed in an earlier term. */
  #checkCompleteness(member: MemberId, term: Term, log: MirroredLog): void {
    for (let index = log.start + 1; index <= this.#committed.length; index++) {
      const known = this.#committed[index - 1]!
      if (known.seenInTerm >= term) continue
      requireProperty(linkAt(log, index)?.chain === known.chain, 'leader completeness', () => {
        return `m${member} leads term ${term} without entry ${index}, committed in term ${known.seenInTerm} or before`
      })
    }
  }

  #mustHold(member: MemberId, term: Term, index: Index, entryTerm: Term): void {
    const known = this.#committed[index - 1]
    if (known === undefined || known.seenInTerm > term) return
    requireProperty(known.term === entryTerm, 'leader completeness', () => {
      return `m${member}, leader of term ${term}, sends ${index}/${entryTerm}; committed is ${index}/${known.term}`
    })
  }

  #logOf(member: MemberId): MirroredLog {
    return this.#logs.get(member)!
  }

  #emptyLog(start: EntryId, term: Term): MirroredLog {
    const startChain = start.index === 0 ? 0 : (this.#chains.get(`${start.index}/${start.term}`) ?? -1)
    requireProperty(
      startChain !== -1,
      'log matching',
      () => `a log starts after an unknown ${start.index}/${start.term}`,
    )
    return { start: start.index, startChain, links: [], entries: [], verified: start.index, term }
  }

  #extend(log: MirroredLog, entries: readonly Entry[]): void {
    let chain = log.links[log.links.length - 1]?.chain ?? log.startChain
    for (const entry of entries) {
      requireProperty(
        entry.index === log.start + log.links.length + 1,
        'log contract',
        () => `a gap before ${entry.index}`,
      )
      chain = chainOf(chain, entry)
      const name = `${entry.index}/${entry.term}`
      const known = this.#chains.get(name)
      requireProperty(known === undefined || known === chain, 'log matching', () => `two different logs end in ${name}`)
      this.#chains.set(name, chain)
      log.links.push({ term: entry.term, chain })
      log.entries.push(entry)
    }
  }
}
