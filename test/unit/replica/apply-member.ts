import assert from 'node:assert/strict'
import type { Applied } from '../../../src/apply/apply.ts'
import { bootstrapState } from '../../../src/apply/bootstrap.ts'
import { clusterId } from '../../../src/base/ids.ts'
import { getApplied } from '../../../src/mvcc/meta.ts'
import type { WriteView } from '../../../src/mvcc/view.ts'
import type { Entry } from '../../../src/raft/types.ts'
import { ApplyStage } from '../../../src/replica/apply-stage.ts'
import type { StateStore } from '../../../src/replica/ports.ts'
import { MemoryState } from '../../../src/storage/memory-state.ts'
import { dump } from '../../contract/state-store.ts'
import { memberRecord, self } from '../../support/commands.ts'

/**
 * - crash: of the machine, which loses what was not flushed
 * - snapshot: the member is replaced by one that got its state as a snapshot
 * - fault: a write within the next transaction fails, and the process starts again
 */
export type Incident = 'crash' | 'snapshot' | 'fault'

/** All that may differ between two members, or two lives of one: none of it may be seen in the state. */
export interface Plan {
  /** How many entries are handed to apply at once, in turn. */
  readonly chunks: readonly number[]
  /** How many callbacks of the disk come after each chunk, in turn: the rest waits. */
  readonly callbacks: readonly number[]
  /** Whether somebody waits for the answers, in turn. */
  readonly wants: readonly boolean[]
  readonly compactionBatch: number
  /** After which chunks the pause of a compaction ends, in turn. */
  readonly pauseEnds: readonly boolean[]
  /** By chunk number. */
  readonly incidents: readonly { readonly chunk: number; readonly kind: Incident; readonly at: number }[]
}

/** Of a run; one takes a few hundred. */
const stepsMax = 10_000

/** What an entry did, without what only a waiter gets. */
type Verdict = Omit<Applied, 'outcome'> & { readonly outcome: unknown }

export interface Run {
  /** All tables, byte for byte. */
  readonly state: readonly string[]
  readonly verdicts: ReadonlyMap<number, Verdict>
  /** Bodies of the answers that somebody waited for. */
  readonly bodies: ReadonlyMap<number, string>
}

/** Applies a log by a plan: as a member does, with the process and the machine failing now and then. */
export class ApplyMember {
  readonly #plan: Plan
  readonly #log: readonly Entry[]
  readonly #callbacks: (() => void)[] = []
  readonly #verdicts = new Map<number, Verdict>()
  readonly #bodies = new Map<number, string>()
  #pauses: (() => void)[] = []
  #asked = 0
  /** Puts until the next one fails; null: none does. */
  #putsLeft: number | null = null
  #store: MemoryState
  #stage!: ApplyStage
  #handed = 0
  #hasFailed = false
  /** Transactions since the last flush that a crash leaves. */
  #survivors = 0

  constructor(log: readonly Entry[], plan: Plan) {
    this.#log = log
    this.#plan = plan
    this.#store = this.#newStore()
    this.#store.transact(
      (view) => bootstrapState(view, { clusterId: clusterId(9n), members: [memberRecord({ id: self })] }),
      assert.ifError,
    )
    this.#settle()
    this.#store.flush(() => {})
    this.#settle()
    this.#start()
  }

  run(): Run {
    const { chunks, callbacks, pauseEnds, incidents } = this.#plan
    for (let chunk = 0; this.#handed < this.#log.length; chunk++) {
      assert.ok(chunk < stepsMax, 'apply makes no progress')
      const size = chunks[chunk % chunks.length]!
      this.#stage.enqueue(this.#log.slice(this.#handed, this.#handed + size))
      this.#handed = Math.min(this.#log.length, this.#handed + size)
      this.#stage.run()
      for (let left = callbacks[chunk % callbacks.length]!; left > 0; left--) this.#callbacks.shift()?.()
      if (pauseEnds[chunk % pauseEnds.length]) this.#pauses.shift()?.()
      for (const incident of incidents) if (incident.chunk === chunk) this.#suffer(incident.kind, incident.at)
      if (this.#hasFailed) this.#restart(this.#store)
    }
    let step = 0
    do {
      assert.ok(step++ < stepsMax, 'compaction makes no progress')
      this.#settle()
      if (this.#hasFailed) this.#restart(this.#store, 'catchUp')
      this.#pauses.shift()?.()
    } while (this.#callbacks.length > 0 || this.#pauses.length > 0)
    const state = this.#store.read(dump)
    assert.equal(this.#store.read(getApplied).index, this.#log.length)
    return { state, verdicts: this.#verdicts, bodies: this.#bodies }
  }

  #suffer(kind: Incident, at: number): void {
    if (kind === 'fault') this.#putsLeft = at
    else if (kind === 'crash') {
      this.#survivors = at
      this.#restart(this.#store.crash())
    } else this.#restart(this.#copy())
  }

  #restart(store: MemoryState, then: 'goOn' | 'catchUp' = 'goOn'): void {
    this.#stage.stop()
    this.#settle()
    this.#pauses = []
    this.#putsLeft = null
    this.#hasFailed = false
    this.#store = store
    this.#start()
    if (then === 'goOn') return
    this.#stage.enqueue(this.#log.slice(this.#handed))
    this.#handed = this.#log.length
    this.#stage.run()
  }

  #start(): void {
    this.#handed = this.#store.read(getApplied).index
    this.#stage = new ApplyStage(
      this.#faulty(this.#store),
      {
        wants: () => this.#plan.wants[this.#asked++ % this.#plan.wants.length]!,
        applied: (results) => this.#applied(results),
        committed: () => {},
        compacted: () => {},
        after: (_, callback) => {
          this.#pauses.push(callback)
          return { cancel: () => this.#pauses.splice(this.#pauses.indexOf(callback), 1) }
        },
        failed: () => {
          this.#hasFailed = true
        },
      },
      { batchLimit: this.#plan.compactionBatch, pauseMs: 1 },
    )
    this.#stage.run()
  }

  #applied(results: readonly Applied[]): void {
    for (const { outcome, ...rest } of results) {
      const verdict = { ...rest, outcome: outcome === null || !outcome.ok ? outcome : { ...outcome, body: null } }
      const before = this.#verdicts.get(rest.index)
      // A crash of the machine may make a member apply an entry again: it cannot come out differently.
      if (before !== undefined) assert.deepEqual(verdict, before)
      this.#verdicts.set(rest.index, verdict)
      if (outcome?.ok && outcome.body.length > 0) {
        this.#bodies.set(rest.index, Buffer.from(outcome.body).toString('hex'))
      }
    }
  }

  /** The same store, with writes that fail when their time has come. */
  #faulty(store: MemoryState): StateStore {
    const count = (): void => {
      if (this.#putsLeft !== null && this.#putsLeft-- === 0) throw new Error('the disk fails')
    }
    const failing = (view: WriteView): WriteView => ({
      get: (table, key) => view.get(table, key),
      scan: (table, options) => view.scan(table, options),
      count: (table, options) => view.count(table, options),
      put: (table, key, value) => {
        count()
        view.put(table, key, value)
      },
      remove: (table, key) => view.remove(table, key),
    })
    return {
      transact: (work, committed) => store.transact((view) => work(failing(view)), committed),
      read: (work) => store.read(work),
      flush: (done) => store.flush(done),
      openSnapshot: () => store.openSnapshot(),
      openSink: () => store.openSink(),
      size: () => store.size(),
    }
  }

  /** Another member's state, made of a snapshot of this one. */
  #copy(): MemoryState {
    const copy = this.#newStore()
    const source = this.#store.openSnapshot()
    const sink = copy.openSink()
    for (let chunk = source.next(); chunk !== null; chunk = source.next()) sink.write(chunk, assert.ifError)
    source.close()
    sink.finish((error, staged) => {
      assert.ifError(error)
      staged!.install(assert.ifError)
    })
    this.#settle()
    return copy
  }

  #newStore(): MemoryState {
    return new MemoryState(this.#options())
  }

  #options() {
    return {
      schedule: (callback: () => void) => void this.#callbacks.push(callback),
      survivors: (count: number) => Math.min(this.#survivors, count),
    }
  }

  #settle(): void {
    for (let callback = this.#callbacks.shift(); callback; callback = this.#callbacks.shift()) callback()
  }
}
