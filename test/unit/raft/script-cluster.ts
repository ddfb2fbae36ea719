import assert from 'node:assert/strict'
import { type MemberId, memberId, noMember } from '../../../src/base/ids.ts'
import { seededRandom } from '../../../src/base/random.ts'
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
  raftStatus,
  step,
  takeReady,
} from '../../../src/raft/index.ts'

const kindNames = new Map(Object.entries(MessageKind).map(([name, kind]) => [kind as number, name]))

interface Write {
  readonly hardState: HardState | null
  readonly entries: readonly Entry[]
  readonly messages: readonly Message[]
}

interface Member {
  readonly id: MemberId
  raft: Raft | null
  conf: ConfState
  hardState: HardState
  start: EntryId
  entries: Entry[]
  applied: EntryId
  disk: 'works' | 'held'
  writes: Write[]
}

const electionTicks = 10

/**
 * A cluster for scripts. Everything a command sets off runs to its end before the next: writes, messages in the order
 * in which they were sent, applying; except what a disk that is held or a cut link keeps back.
 */
export class ScriptCluster {
  readonly #members = new Map<number, Member>()
  readonly #cut = new Set<string>()
  #messages: Message[] = []
  #output: string[] = []
  #trace = false
  #options: ReadonlyMap<string, string> = new Map()

  handle(command: string): string {
    const words = command.split(' ').filter((word) => !word.includes('='))
    const options = new Map(
      command
        .split(' ')
        .filter((word) => word.includes('='))
        .map((word) => word.split('=') as [string, string]),
    )
    this.#output = []
    this.#trace = words.includes('trace')
    this.#run(words[0]!, words.slice(1), options)
    this.#settle()
    return [...this.#output, this.#status()].join('\n')
  }

  #run(verb: string, words: readonly string[], options: ReadonlyMap<string, string>): void {
    const ticks = Number(options.get('ticks') ?? 0)
    switch (verb) {
      case 'add-members':
        return this.#addMembers(Number(words[0]), options)
      case 'start':
        this.#members.set(Number(words[0]), newMember(Number(words[0]), { voters: [], learners: [] }))
        return this.#start(this.#member(words[0]))
      case 'stop':
        this.#stop(this.#member(words[0]))
        return
      case 'restart':
        this.#stop(this.#member(words[0]))
        return this.#start(this.#member(words[0]))
      case 'wipe': {
        const { id, conf } = this.#member(words[0])
        this.#members.set(Number(id), newMember(Number(id), options.get('conf') === 'none' ? noConf : conf))
        return this.#start(this.#member(words[0]))
      }
      case 'isolate':
        for (const other of this.#members.keys()) this.#cutLink(Number(words[0]), other)
        return this.#tick(words[0]!, ticks)
      case 'cut':
        return this.#cutLink(Number(words[0]), Number(words[1]))
      case 'rejoin':
        this.#cut.clear()
        return this.#tick('all', ticks)
      case 'tick':
        return this.#tick(words[0]!, ticks || 1)
      case 'campaign':
        return this.#campaign(this.#member(words[0]))
      case 'hold-disk':
        this.#member(words[0]).disk = 'held'
        return
      case 'release-disk':
        this.#member(words[0]).disk = 'works'
        return
      case 'propose':
        return this.#input(words[0]!, {
          kind: 'propose',
          proposals: words.slice(1).map((word) => ({ type: 'normal', data: Buffer.from(word) })),
        })
      case 'change':
        return this.#input(words[0]!, {
          kind: 'propose',
          proposals: [{ type: 'confChange', data: Buffer.from(`${words[1]} ${words[2]}`) }],
        })
      case 'read':
        return this.#input(words[0]!, { kind: 'readIndex', context: BigInt(words[1]!) })
      case 'transfer':
        return this.#input(words[0]!, { kind: 'transferLeader', to: memberId(BigInt(words[1]!)) })
      case 'unreachable':
        return this.#input(words[0]!, { kind: 'unreachable', to: memberId(BigInt(words[1]!)) })
      case 'compact':
        return this.#compact(this.#member(words[0]), Number(words[1]))
      case 'log': {
        const { raft } = this.#member(words[0])
        const kept = raft!.log.entries.slice(raft!.log.start.index - raft!.log.offset)
        this.#output.push(kept.map((entry) => `${entry.index}/${entry.term} ${text(entry)}`).join(', ') || 'empty')
        return
      }
      case 'progress': {
        for (const [id, { match, next, state }] of raftStatus(this.#member(words[0]).raft!).progress!) {
          this.#output.push(`${id} ${state} match=${match} next=${next}`)
        }
        return
      }
      default:
        assert.fail(`no such command: ${verb}`)
    }
  }

  #addMembers(count: number, options: ReadonlyMap<string, string>): void {
    this.#options = options
    const learners = Number(options.get('learners') ?? 0)
    const ids = Array.from({ length: count }, (_, i) => memberId(BigInt(i + 1)))
    const conf = { voters: ids.slice(0, count - learners), learners: ids.slice(count - learners) }
    for (let number = 1; number <= count; number++) {
      const member = newMember(number, conf)
      this.#members.set(number, member)
      this.#start(member)
    }
    const leader = options.get('leader')
    if (leader) this.#campaign(this.#member(leader))
  }

  #start(member: Member): void {
    const { id, hardState, conf, applied, start, entries } = member
    member.raft = createRaft({
      id,
      electionTicks,
      heartbeatTicks: 1,
      preVote: this.#options.get('prevote') !== 'false',
      random: seededRandom(Number(id)),
      messageBytesMax: Number(this.#options.get('message-bytes') ?? 1000),
      inflightMax: Number(this.#options.get('inflight') ?? 8),
      uncommittedBytesMax: Number(this.#options.get('uncommitted-bytes') ?? 10_000),
      hardState,
      confState: conf,
      applied: applied.index,
      log: { start, entries },
    })
  }

  #stop(member: Member): void {
    member.raft = null
    member.writes = []
  }

  #member(name: string | undefined): Member {
    const member = this.#members.get(Number(name))
    assert(member, `no member ${name}`)
    return member
  }

  #cutLink(a: number, b: number): void {
    if (a === b) return
    this.#cut.add(`${a}-${b}`)
    this.#cut.add(`${b}-${a}`)
  }

  #tick(who: string, ticks: number): void {
    const members = who === 'all' ? [...this.#members.values()] : [this.#member(who)]
    for (let i = 0; i < ticks; i++) {
      for (const { raft } of members) if (raft) step(raft, { kind: 'tick' })
      this.#settle()
    }
  }

  /** The member has heard nothing for an election timeout, and neither have the others. */
  #campaign(member: Member): void {
    for (const { raft } of this.#members.values()) {
      if (raft && raft.role !== 'leader') raft.electionElapsed = raft.electionTimeoutTicks - 1
    }
    step(member.raft!, { kind: 'tick' })
  }

  #input(who: string, input: Input): void {
    if (step(this.#member(who).raft!, input) === 'dropped') this.#output.push('dropped')
  }

  #compact(member: Member, index: number): void {
    step(member.raft!, { kind: 'compactLog', index })
    const at = index - member.start.index
    member.start = { term: member.entries[at - 1]!.term, index }
    member.entries = member.entries.slice(at)
  }

  #settle(): void {
    for (let busy = true; busy; ) {
      busy = false
      for (const member of this.#members.values()) {
        while (member.raft && hasReady(member.raft)) {
          this.#takeReady(member, member.raft)
          busy = true
        }
        while (member.raft && member.disk === 'works' && member.writes.length > 0) {
          this.#write(member, member.raft, member.writes.shift()!)
          busy = true
        }
      }
      for (const message of this.#messages.splice(0)) {
        this.#deliver(message)
        busy = true
      }
    }
  }

  #takeReady(member: Member, raft: Raft): void {
    const { messages, messagesAfterPersist, hardState, entries, committed, readStates, snapshot } = takeReady(raft)
    for (const message of messages) this.#send(member, message)
    if (snapshot) {
      this.#output.push(`${member.id} installs the state at ${snapshot.index}/${snapshot.term}`)
      Object.assign(member, { start: snapshot, entries: [], applied: snapshot, conf: snapshot.confState, writes: [] })
      step(raft, { kind: 'snapshotInstalled', snapshot })
    }
    member.writes.push({ hardState, entries, messages: messagesAfterPersist })
    for (const entry of committed) this.#apply(member, raft, entry)
    for (const { context, index } of readStates) this.#output.push(`${member.id} may read ${context} at ${index}`)
  }

  #write(member: Member, raft: Raft, { hardState, entries, messages }: Write): void {
    if (hardState) member.hardState = hardState
    const first = entries[0]
    const last = entries.at(-1)
    if (first && last) {
      member.entries = [...member.entries.slice(0, first.index - member.start.index - 1), ...entries]
      step(raft, { kind: 'persisted', last: { term: last.term, index: last.index } })
    }
    for (const message of messages) this.#send(member, message)
  }

  #apply(member: Member, raft: Raft, entry: Entry): void {
    assert.equal(entry.index, member.applied.index + 1)
    member.applied = { term: entry.term, index: entry.index }
    step(raft, { kind: 'applied', index: entry.index })
    if (entry.type === 'normal') return
    const [kind, number] = text(entry).split(' ') as [ConfChange['kind'], string]
    const change = { kind, member: memberId(BigInt(number)) }
    member.conf = changeConfState(member.conf, change)
    step(raft, { kind: 'confChangeApplied', change })
  }

  #send(member: Member, message: Message): void {
    const snapshot = { ...member.applied, confState: member.conf }
    this.#messages.push(message.kind === MessageKind.Snapshot ? { ...message, snapshot } : message)
  }

  #deliver(message: Message): void {
    const { from, to, kind } = message
    const lost = this.#cut.has(`${from}-${to}`)
    if (this.#trace) this.#output.push(`${describe(message)}${lost ? ' (lost)' : ''}`)
    const receiver = this.#members.get(Number(to))?.raft
    const verdict = receiver && !lost ? step(receiver, { kind: 'receive', message }) : 'dropped'
    const sender = this.#members.get(Number(from))?.raft
    if (kind === MessageKind.Snapshot && sender) {
      step(sender, { kind: 'snapshotReport', to, ok: verdict === 'accepted' })
    }
  }

  #status(): string {
    return [...this.#members]
      .map(([number, { raft }]) => {
        if (raft === null) return `${number} down`
        const { role, term, commit, lastIndex } = raftStatus(raft)
        return `${number} ${role} term=${term} log=${commit}/${lastIndex}`
      })
      .join(', ')
  }
}

const noConf: ConfState = { voters: [], learners: [] }

function newMember(number: number, conf: ConfState): Member {
  return {
    id: memberId(BigInt(number)),
    raft: null,
    conf,
    hardState: { term: 0, vote: noMember, commit: 0 },
    start: { term: 0, index: 0 },
    entries: [],
    applied: { term: 0, index: 0 },
    disk: 'works',
    writes: [],
  }
}

const text = (entry: Entry): string => Buffer.from(entry.data).toString('utf8') || '-'

function describe(message: Message): string {
  const { kind, from, to, term, index, logTerm, commit, entries, reject, rejectHint, snapshot } = message
  const parts = [`${from}->${to} ${kindNames.get(kind)} term=${term}`]
  if (snapshot) parts.push(`state=${snapshot.index}/${snapshot.term}`)
  if (index !== undefined) parts.push(`at=${index}${logTerm === undefined ? '' : `/${logTerm}`}`)
  if (entries) parts.push(`entries=[${entries.map((entry) => `${entry.index}/${entry.term}`).join(' ')}]`)
  if (commit !== undefined) parts.push(`commit=${commit}`)
  if (reject) parts.push(rejectHint === undefined ? 'rejected' : `rejected hint=${rejectHint}`)
  return parts.join(' ')
}
