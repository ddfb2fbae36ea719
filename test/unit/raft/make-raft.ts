import { type MemberId, memberId, noMember } from '../../../src/base/ids.ts'
import { seededRandom } from '../../../src/base/random.ts'
import {
  createRaft,
  type Entry,
  type Message,
  type MessageKind,
  type Raft,
  type RaftOptions,
  type Ready,
  step,
  takeReady,
} from '../../../src/raft/index.ts'

export const id = (number: number): MemberId => memberId(BigInt(number))
export const ids = (...numbers: number[]): MemberId[] => numbers.map(id)

/** Entries from their terms: `1 1 2c` is two of term 1 and a configuration change of term 2. */
export function entriesOf(terms: string, first = 1): Entry[] {
  if (terms === '') return []
  return terms.split(' ').map((word, i) => ({
    term: Number.parseInt(word, 10),
    index: first + i,
    type: word.endsWith('c') ? 'confChange' : 'normal',
    data: new Uint8Array(0),
  }))
}

export const termsOf = (entries: readonly Entry[]): string =>
  entries.map(({ term, type }) => `${term}${type === 'confChange' ? 'c' : ''}`).join(' ')

export interface Start {
  voters?: number[]
  learners?: number[]
  term?: number
  vote?: number
  commit?: number
  applied?: number
  /** As for `entriesOf`. */
  log?: string
  options?: Partial<RaftOptions>
}

/** Member 1 as it starts. Three voters, pre-vote and an empty log unless told otherwise. */
export function makeRaft(start: Start = {}): Raft {
  const { voters = [1, 2, 3], learners = [], vote = 0, applied = 0 } = start
  const entries = entriesOf(start.log ?? '')
  const term = start.term ?? entries.at(-1)?.term ?? 0
  return createRaft({
    id: id(1),
    electionTicks: 10,
    heartbeatTicks: 1,
    preVote: true,
    random: seededRandom(1),
    messageBytesMax: 10_000,
    inflightMax: 16,
    uncommittedBytesMax: 10_000,
    hardState: { term, vote: vote === 0 ? noMember : id(vote), commit: start.commit ?? applied },
    confState: { voters: ids(...voters), learners: ids(...learners) },
    applied,
    log: { start: { term: 0, index: 0 }, entries },
    ...start.options,
  })
}

export type MessageFields = Partial<Omit<Message, 'kind' | 'from' | 'to'>>

/** Gives member 1 a message; the term is its own unless told otherwise. */
export function receive(
  raft: Raft,
  kind: MessageKind,
  from: number,
  fields: MessageFields = {},
): 'accepted' | 'dropped' {
  return step(raft, { kind: 'receive', message: { kind, from: id(from), to: id(1), term: raft.term, ...fields } })
}

/** Takes a Ready and brings its entries to the disk at once. */
export function settle(raft: Raft): Ready {
  const ready = takeReady(raft)
  const last = ready.entries.at(-1)
  if (last) step(raft, { kind: 'persisted', last: { term: last.term, index: last.index } })
  return ready
}

/** Everything sent, whenever. */
export const sent = ({ messages, messagesAfterPersist }: Ready): Message[] => [...messages, ...messagesAfterPersist]

export const sentKinds = (ready: Ready, kind: MessageKind): Message[] => sent(ready).filter((one) => one.kind === kind)

/** Ticks until it campaigns. */
export function timeOut(raft: Raft): void {
  const { role } = raft
  for (let ticks = 0; raft.role === role && ticks < 20; ticks++) step(raft, { kind: 'tick' })
}

export const propose = (raft: Raft, count = 1, bytes = 0): 'accepted' | 'dropped' =>
  step(raft, {
    kind: 'propose',
    proposals: Array.from({ length: count }, () => ({ type: 'normal', data: new Uint8Array(bytes) })),
  })

export const proposeChange = (raft: Raft): 'accepted' | 'dropped' =>
  step(raft, { kind: 'propose', proposals: [{ type: 'confChange', data: new Uint8Array(0) }] })
