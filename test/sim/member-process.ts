import type { CommittedBatch } from '../../src/apply/outcome.ts'
import type { Index, MemberId } from '../../src/base/ids.ts'
import { silentLog } from '../../src/base/log.ts'
import type { Message } from '../../src/raft/types.ts'
import type { LogStore, RecoveredLog, StateStore } from '../../src/replica/ports.ts'
import { Replica } from '../../src/replica/replica.ts'
import type { Dice } from './dice.ts'
import type { EventQueue } from './event-queue.ts'
import type { LogDisk, LogDiskWatcher } from './log-disk.ts'
import type { Machine } from './machine.ts'
import type { Network } from './network.ts'
import { openPeerLinks, type PeerDirectory } from './peer-links.ts'
import type { Settings } from './settings.ts'
import type { StateDisk } from './state-disk.ts'
import type { TableSet } from './table-set.ts'
import type { Trace } from './trace.ts'
import { Violation } from './violation.ts'

/** What the checkers are told of a member. */
export interface MemberWatcher {
  started(member: MemberProcess, recovered: RecoveredLog): void
  logged(member: MemberProcess): LogDiskWatcher
  stateWritten(member: MemberProcess, before: Index, tables: TableSet): void
  stateCommitted(member: MemberProcess, tables: TableSet): void
  sent(member: MemberProcess, message: Message): void
  published(member: MemberProcess, batch: CommittedBatch): void
  /** After every event of a member that is still up. */
  observed(member: MemberProcess): void
  /** The member says that it has stopped. What is thrown here may get lost in it: see `settle`. */
  failed(member: MemberProcess, error: Error): void
  /** After every event: throws what a checker found inside of a member that swallowed it. */
  settle(): void
}

export interface MemberSurroundings {
  readonly settings: Settings
  readonly queue: EventQueue
  readonly network: Network
  readonly directory: PeerDirectory
  readonly trace: Trace
  readonly watcher: MemberWatcher
}

interface Waiter {
  readonly index: Index
  readonly run: () => void
}

/** One operating-system process with its disks: starts, crashes at any point, is paused, and starts again. */
export class MemberProcess {
  readonly id: MemberId
  readonly name: string
  readonly log: LogDisk
  readonly state: StateDisk
  readonly #world: MemberSurroundings
  readonly #dice: Dice
  /** Local milliseconds that pass in one of the world's. */
  readonly #clockRate: number
  #machine: Machine | null = null
  #replica: Replica | null = null
  #paused = false
  #busy = false
  #backlog: (() => void)[] = []
  /** Calls to the outside until it dies in the middle of an event; 0 is never. */
  #callsUntilDeath = 0
  #dying = false
  #starts = 0
  #waiters: Waiter[] = []
  /** A storage fault was injected: stopping is what it must do. */
  mayFail = false
  /** No longer part of the cluster, and not expected to serve. */
  removed = false
  /** Never to be started again. */
  switchedOff = false

  constructor(
    id: MemberId,
    parts: { log: LogDisk; state: StateDisk; dice: Dice; rate: number },
    world: MemberSurroundings,
  ) {
    this.id = id
    this.name = `m${id}`
    this.log = parts.log
    this.state = parts.state
    this.#dice = parts.dice
    this.#clockRate = parts.rate
    this.#world = world
  }

  get isUp(): boolean {
    return this.#replica !== null
  }
  get isPaused(): boolean {
    return this.#paused
  }
  get replica(): Replica | null {
    return this.#replica
  }

  start(): void {
    const { settings, watcher } = this.#world
    if (this.isUp || this.switchedOff) return
    const machine = this.#newMachine()
    this.#machine = machine
    this.#dying = false
    this.#callsUntilDeath = 0
    this.mayFail = false
    this.#starts++
    const recovered = this.log.recover()
    this.trace(`start: log ${recovered.start.index}..${this.log.lastIndex} term ${recovered.hardState.term}`)
    watcher.started(this, recovered)
    const log = this.log.open(machine, watcher.logged(this))
    const state = this.state.open(machine, {
      written: (before, tables) => watcher.stateWritten(this, before, tables),
      committed: (tables) => watcher.stateCommitted(this, tables),
      installed: () => this.#dieBetweenStateAndLog(),
    })
    const sent = (message: Message): void => watcher.sent(this, message)
    const replica = this.#guarded(() => this.#newReplica(machine, recovered, { log, state, sent }))
    this.#replica = replica
    replica.onCommitted((batch) => {
      if (this.#dying) return
      watcher.published(this, batch)
      this.#wake(batch.appliedIndex)
    })
    const tick = (): void => {
      machine.later(settings.heartbeatMs / this.#clockRate, tick)
      replica.tick()
    }
    machine.later(this.#dice.between(0, settings.heartbeatMs), tick)
  }

  #newReplica(
    machine: Machine,
    recovered: RecoveredLog,
    parts: { log: LogStore; state: StateStore; sent: (message: Message) => void },
  ): Replica {
    const { settings, queue, network, directory, watcher } = this.#world
    return new Replica(
      {
        info: { ...settings.info, memberId: this.id },
        electionTicks: settings.electionTicks,
        leaseCheckpointMs: settings.leaseCheckpointMs,
        preVote: settings.preVote,
        seed:
          (Math.imul(Number(this.id), 0x85ebca6b) ^
            Math.imul(this.#starts, 0xc2b2ae35) ^
            this.#dice.below(0x7fffffff)) |
          0,
        recovered,
        logKeepEntries: settings.logKeepEntries,
        compaction: settings.compaction,
      },
      {
        log: parts.log,
        state: parts.state,
        peers: openPeerLinks({ self: this.id, machine, network, directory, sent: parts.sent }),
        clock: {
          nowMs: () => queue.nowMs * this.#clockRate,
          after: (ms, callback) => machine.later(ms / this.#clockRate, callback),
          soon: (callback) => void machine.later(0.01, callback),
        },
        report: {
          ...silentLog,
          info: (message) => this.trace(`report: ${message}`),
          warn: (message) => this.trace(`report: ${message}`),
          error: (message) => this.trace(`report: ${message}`),
        },
        failed: (error) => {
          if (this.#machine === machine && !this.#dying) watcher.failed(this, error)
          this.kill()
        },
      },
    )
  }

  /** The process is gone at once, between two events. */
  crash(): void {
    if (!this.isUp) return
    this.#machine = null
    this.#replica = null
    this.#paused = false
    this.#backlog = []
    this.#waiters = []
    this.#dying = false
    this.trace(`crash: log: ${this.log.crash()}; state: ${this.state.crash()}`)
  }

  /** The process dies in the middle of an event, at its n-th call to disk or network from now. */
  crashAfterCalls(calls: number): void {
    this.#callsUntilDeath = calls
  }

  /** Dies within the event that is running: nothing it does from here on has any effect. */
  kill(): void {
    this.#dying = true
  }

  /** Nothing of this process is to be seen any more, because it has died in the event that is running. */
  get isDying(): boolean {
    return this.#dying
  }

  /** A rare moment that needs help to be met: the state is new and the log is old. */
  #dieBetweenStateAndLog(): void {
    const { settings, queue } = this.#world
    if (!settings.faults.has('crashInEvent') || queue.nowMs >= settings.faultsMs || !this.#dice.chance(0.4)) return
    this.kill()
    queue.after(this.#dice.between(1, 2000), () => this.start())
  }

  pause(): void {
    if (!this.isUp || this.#paused) return
    this.#paused = true
    this.trace('paused')
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.trace(`resumed, ${this.#backlog.length} events late`)
    const backlog = this.#backlog
    this.#backlog = []
    const machine = this.#machine
    for (const work of backlog) if (this.#machine === machine) this.#run(work)
  }

  /** Runs `work` as an event of this process; does nothing if it is down. */
  event(work: (replica: Replica, machine: Machine) => void): void {
    const machine = this.#machine
    if (machine) this.#event(machine, () => work(this.#replica!, machine))
  }

  /** Runs `run` when the visible state has reached `index`; never if the process dies before. */
  whenApplied(index: Index, run: () => void): void {
    if (this.#world.settings.sabotage === 'staleReads') return run()
    if (this.#replica && this.#replica.appliedIndex() >= index) run()
    else this.#waiters.push({ index, run })
  }

  trace(what: string): void {
    this.#world.trace.line(this.#world.queue.nowMs, this.name, what)
  }

  #wake(applied: Index): void {
    if (this.#waiters.length === 0) return
    const ready = this.#waiters.filter((waiter) => waiter.index <= applied)
    this.#waiters = this.#waiters.filter((waiter) => waiter.index > applied)
    for (const waiter of ready) waiter.run()
  }

  #newMachine(): Machine {
    const machine: Machine = {
      name: this.name,
      later: (delayMs, work) => this.#world.queue.after(delayMs, () => this.#event(machine, work)),
      alive: () => {
        if (this.#machine !== machine || this.#dying) return false
        if (this.#callsUntilDeath > 0 && --this.#callsUntilDeath === 0) this.#dying = true
        return !this.#dying
      },
      trace: (what) => this.trace(what),
    }
    return machine
  }

  #event(machine: Machine, work: () => void): void {
    if (this.#machine !== machine) return
    if (this.#paused) this.#backlog.push(work)
    else this.#run(work)
  }

  #run(work: () => void): void {
    // Part of the event that is running: the checkers look when that is over.
    if (this.#busy) return work()
    this.#busy = true
    try {
      this.#guarded(work)
    } finally {
      this.#busy = false
    }
    this.#world.watcher.settle()
    if (this.#dying) this.crash()
    else if (this.isUp) this.#world.watcher.observed(this)
  }

  #guarded<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      if (error instanceof Violation) throw error
      throw new Violation('no exception', `${this.name}: ${error instanceof Error ? error.stack : String(error)}`)
    }
  }
}
