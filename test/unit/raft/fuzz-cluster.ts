import assert from 'node:assert/strict'
import { type Index, type MemberId, memberId, noMember } from '../../../src/base/ids.ts'
import { type Random, seededRandom } from '../../../src/base/random.ts'
import {
  type ConfChange,
  type ConfState,
  changeConfState,
  createRaft,
  type Entry,
  type EntryId,
  type HardState,
  hasReady,
  type Input,
  type Message,
  MessageKind,
  type Raft,
  type Ready,
  raftStatus,
  type SnapshotMeta,
  step,
  takeReady,
} from '../../../src/raft/index.ts'
import { termAt } from '../../../src/raft/log.ts'

const textOf = (data: Uint8Array): string => Buffer.from(data).toString('utf8')
const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'utf8')

export const encodeChange = ({ kind, member }: ConfChange): Uint8Array => bytesOf(`${kind} ${member}`)

function decodeChange(data: Uint8Array): ConfChange {
  const [kind, member] = textOf(data).split(' ') as [ConfChange['kind'], string]
  return { kind, member: memberId(BigInt(member)) }
}

interface Write {
  readonly hardState: HardState | null
  readonly entries: readonly Entry[]
  readonly snapshot: SnapshotMeta | null
  readonly afterwards: readonly Message[]
}

/** What survives a crash. */
interface Disk {
  hardState: HardState
  start: EntryId
  entries: Entry[]
  /** The state machine: how far it has come, and the configuration there. */
  applied: Index
  conf: ConfState
}

interface Member {
  readonly id: MemberId
  readonly disk: Disk
  raft: Raft | null
  writes: Write[]
  toApply: Entry[]
  commitSeen: Index
  partition: number
  lastContext: bigint
}

/**
 * A cluster in one thread whose network, disks and crashes are up to one seed, and which checks at every step what
 * Raft promises (paper, fig. 3), that nothing is handed to a state machine before it is on the member's own disk, and
 * that no read barrier lies before what was committed anywhere when it was asked for.
 */
export class FuzzCluster {
  readonly random: Random
  readonly members: Member[] = []
  messages: Message[] = []
  readonly #leaders = new Map<number, MemberId>()
  /** `index:term` -> the entry and the term before it. */
  readonly #entries = new Map<string, string>()
  /** Term of the committed entry at each index. */
  readonly #committed: number[] = [0]
  readonly #applied: string[] = ['']
  /** `member:context` -> the highest commit index anywhere when it was asked. */
  readonly #reads = new Map<string, Index>()
  #proposed = 0

  constructor(seed: number, size: number, voters: number) {
    this.random = seededRandom(seed)
    const initial = Array.from({ length: voters }, (_, i) => memberId(BigInt(i + 1)))
    for (let i = 0; i < size; i++) {
      const id = memberId(BigInt(i + 1))
      const conf = i < voters ? { voters: initial, learners: [] } : { voters: [], learners: [] }
      const disk: Disk = {
        hardState: { term: 0, vote: noMember, commit: 0 },
        start: { term: 0, index: 0 },
        entries: [],
        applied: 0,
        conf,
      }
      const member: Member = {
        id,
        disk,
        raft: null,
        writes: [],
        toApply: [],
        commitSeen: 0,
        partition: 0,
        lastContext: 0n,
      }
      this.members.push(member)
      this.start(member)
    }
  }

  get committedCount(): number {
    return this.#committed.length - 1
  }

  start(member: Member): void {
    const { disk } = member
    member.raft = createRaft({
      id: member.id,
      electionTicks: 5,
      heartbeatTicks: 1,
      preVote: this.random.below(4) > 0,
      random: this.random,
      messageBytesMax: 200,
      inflightMax: 3,
      uncommittedBytesMax: 10_000,
      hardState: disk.hardState,
      confState: disk.conf,
      applied: disk.applied,
      log: { start: disk.start, entries: disk.entries },
    })
    member.commitSeen = disk.applied
  }

  /** The write under way may have reached the disk in full, in part, or not at all; later ones have not. */
  crash(member: Member): void {
    const torn = member.writes[0]
    if (torn !== undefined && this.random.below(2) === 0) {
      const kept = torn.snapshot ? torn.entries : torn.entries.slice(0, this.random.below(torn.entries.length + 1))
      const complete = kept.length === torn.entries.length
      this.#writeToDisk(member, { ...torn, entries: kept, hardState: complete ? torn.hardState : null })
    }
    member.raft = null
    member.writes = []
    member.toApply = []
  }

  input(member: Member, input: Input): 'accepted' | 'dropped' {
    if (member.raft === null) return 'dropped'
    const verdict = step(member.raft, input)
    this.#check(member, member.raft)
    return verdict
  }

  propose(member: Member, count: number): 'accepted' | 'dropped' {
    const proposals = Array.from({ length: count }, () => {
      this.#proposed++
      return { type: 'normal' as const, data: bytesOf(`${this.#proposed}`.padEnd(this.random.below(60), '.')) }
    })
    return this.input(member, { kind: 'propose', proposals })
  }

  proposeChange(member: Member, change: ConfChange): void {
    const conf = member.raft?.conf
    if (conf === undefined || (change.kind === 'remove' && conf.voters.length <= 1)) return
    this.input(member, { kind: 'propose', proposals: [{ type: 'confChange', data: encodeChange(change) }] })
  }

  read(member: Member): void {
    if (member.raft === null) return
    member.lastContext++
    const most = Math.max(...this.members.map((other) => other.commitSeen))
    this.#reads.set(`${member.id}:${member.lastContext}`, most)
    this.input(member, { kind: 'readIndex', context: member.lastContext })
  }

  /** Takes one Ready: messages into the network, the rest into the member's queues. */
  takeReady(member: Member): boolean {
    const { raft } = member
    if (raft === null || !hasReady(raft)) return false
    const ready = takeReady(raft)
    this.#checkReady(member, ready)
    for (const message of ready.messages) this.#send(member, message)
    const { hardState, entries, snapshot, messagesAfterPersist } = ready
    if (hardState || entries.length > 0 || snapshot || messagesAfterPersist.length > 0) {
      member.writes.push({ hardState, entries, snapshot, afterwards: messagesAfterPersist })
    }
    if (snapshot) member.toApply = []
    member.toApply.push(...ready.committed)
    return true
  }

  completeWrite(member: Member): boolean {
    const write = member.writes.shift()
    if (write === undefined || member.raft === null) return false
    this.#writeToDisk(member, write)
    for (const message of write.afterwards) this.#send(member, message)
    if (write.snapshot) this.input(member, { kind: 'snapshotInstalled', snapshot: write.snapshot })
    const last = write.entries.at(-1)
    if (last) this.input(member, { kind: 'persisted', last: { term: last.term, index: last.index } })
    return true
  }

  apply(member: Member, most: number): boolean {
    if (member.raft === null || member.toApply.length === 0) return false
    // A snapshot that is on its way to the disk comes first.
    if (member.writes.some((write) => write.snapshot)) return false
    const batch = member.toApply.splice(0, most)
    for (const entry of batch) {
      assert.equal(entry.index, member.disk.applied + 1, `member ${member.id} skips or repeats an entry`)
      const seen = this.#applied[entry.index]
      const mine = `${entry.term} ${entry.type} ${textOf(entry.data)}`
      if (seen === undefined) this.#applied[entry.index] = mine
      else assert.equal(mine, seen, `state machine safety: entry ${entry.index} of member ${member.id}`)
      member.disk.applied = entry.index
      if (entry.type === 'confChange') member.disk.conf = changeConfState(member.disk.conf, decodeChange(entry.data))
    }
    this.input(member, { kind: 'applied', index: member.disk.applied })
    for (const entry of batch) {
      if (entry.type === 'confChange') {
        this.input(member, { kind: 'confChangeApplied', change: decodeChange(entry.data) })
      }
    }
    return true
  }

  compact(member: Member, index: Index): void {
    const { disk } = member
    if (member.raft === null || index <= disk.start.index || index > disk.applied) return
    if (member.writes.some((write) => write.snapshot)) return
    this.input(member, { kind: 'compactLog', index })
    const at = index - disk.start.index - 1
    disk.start = { term: disk.entries[at]!.term, index }
    disk.entries = disk.entries.slice(at + 1)
  }

  deliver(message: Message): void {
    const receiver = this.#member(message.to)
    const sender = this.#member(message.from)
    if (receiver.partition !== sender.partition) return this.lose(message)
    const verdict = this.input(receiver, { kind: 'receive', message })
    if (message.kind === MessageKind.Snapshot && sender.raft !== null) {
      this.input(sender, { kind: 'snapshotReport', to: receiver.id, ok: verdict === 'accepted' })
    }
  }

  lose(message: Message): void {
    if (message.kind !== MessageKind.Snapshot) return
    this.input(this.#member(message.from), { kind: 'snapshotReport', to: message.to, ok: false })
  }

  leader(): Member | undefined {
    const leaders = this.members.filter(({ raft }) => raft?.role === 'leader')
    return leaders.sort((a, b) => b.raft!.term - a.raft!.term)[0]
  }

  #member(id: MemberId): Member {
    return this.members[Number(id) - 1]!
  }

  #send(member: Member, message: Message): void {
    assert.equal(message.from, member.id)
    if (message.entries) this.#checkMatching(message.entries, message.logTerm ?? 0)
    const { applied, conf, start, entries } = member.disk
    if (message.kind !== MessageKind.Snapshot) this.messages.push(message)
    else {
      const term = applied === start.index ? start.term : entries[applied - start.index - 1]!.term
      this.messages.push({ ...message, snapshot: { index: applied, term, confState: conf } })
    }
  }

  #writeToDisk(member: Member, { hardState, entries, snapshot }: Write): void {
    const { disk } = member
    if (snapshot) {
      disk.start = { term: snapshot.term, index: snapshot.index }
      disk.entries = []
      disk.applied = snapshot.index
      disk.conf = snapshot.confState
    }
    const first = entries[0]
    if (first) {
      disk.entries.length = first.index - disk.start.index - 1
      this.#checkMatching(entries, disk.entries.at(-1)?.term ?? disk.start.term)
      disk.entries.push(...entries)
    }
    if (hardState) disk.hardState = hardState
  }

  /** Entries that left a member's memory: the same id must mean the same entry after the same past, everywhere. */
  #checkMatching(entries: readonly Entry[], termBefore: number): void {
    let before = termBefore
    for (const { index, term, type, data } of entries) {
      const mine = `after ${before}: ${type} ${textOf(data)}`
      const seen = this.#entries.get(`${index}:${term}`)
      if (seen === undefined) this.#entries.set(`${index}:${term}`, mine)
      else assert.equal(mine, seen, `log matching: entry ${index} of term ${term}`)
      before = term
    }
  }

  #checkReady(member: Member, ready: Ready): void {
    for (const entry of ready.committed) {
      const onDisk = member.disk.entries[entry.index - member.disk.start.index - 1]
      assert.equal(onDisk?.term, entry.term, `entry ${entry.index} reaches the state machine before the disk`)
    }
    for (const { context, index } of ready.readStates) {
      const least = this.#reads.get(`${member.id}:${context}`)
      assert(least !== undefined && index >= least, `read barrier ${index} is before ${least}`)
    }
  }

  #check(member: Member, raft: Raft): void {
    const { log } = raft
    for (let index = member.commitSeen + 1; index <= log.commit; index++) {
      const term = termAt(log, index)
      if (term === -1) continue
      const seen = this.#committed[index]
      if (seen === undefined) this.#committed[index] = term
      else assert.equal(term, seen, `committed entry ${index} of member ${member.id} differs`)
    }
    member.commitSeen = Math.max(member.commitSeen, log.commit)
    if (raft.role !== 'leader' || this.#leaders.get(raft.term) === member.id) return
    assert.equal(this.#leaders.get(raft.term), undefined, `election safety: two leaders in term ${raft.term}`)
    this.#leaders.set(raft.term, member.id)
    for (let index = log.start.index + 1; index < this.#committed.length; index++) {
      const committed = this.#committed[index]
      if (committed === undefined) continue
      assert.equal(termAt(log, index), committed, `leader completeness: entry ${index} of member ${member.id}`)
    }
  }

  status(): string {
    return this.members
      .map(({ raft, id }) => {
        if (raft === null) return `${id} down`
        const { role, term, commit, lastIndex, confState } = raftStatus(raft)
        return `${id} ${role} term=${term} commit=${commit}/${lastIndex} voters=${confState.voters} learners=${confState.learners}`
      })
      .join('\n')
  }
}
