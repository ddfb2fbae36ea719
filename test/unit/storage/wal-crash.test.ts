import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, seededRandom } from '../../../src/base/random.ts'
import type { Entry, EntryId, HardState } from '../../../src/raft/types.ts'
import type { RecoveredLog } from '../../../src/replica/ports.ts'
import { openWal, type Wal } from '../../../src/storage/wal.ts'
import { append, entries, hardState, reset, walOptions } from '../../contract/log-store.ts'
import { FaultyDisk } from '../../support/faulty-disk.ts'

/** The log as the specification has it. */
interface Model {
  readonly start: EntryId
  readonly entries: readonly Entry[]
  readonly hardState: HardState
  /** Entries up to here may or may not come back. */
  readonly released: number
}

const lastIndex = ({ start, entries: list }: Model): number => list.at(-1)?.index ?? start.index

const termAt = ({ start, entries: list }: Model, index: number): number =>
  index === start.index ? start.term : list[index - start.index - 1]!.term

interface Operation {
  readonly after: Model
  run(log: Wal): Promise<void>
}

function randomOperation(model: Model, random: Random): Operation {
  const last = lastIndex(model)
  const { term, vote, commit } = model.hardState
  const kind = random.below(20)
  if (kind === 0) {
    const snapshot = { term, index: last + random.below(50) }
    const state = hardState(term, vote, snapshot.index)
    const after = { start: snapshot, entries: [], hardState: state, released: snapshot.index }
    return { after, run: (log) => reset(log, snapshot, state) }
  }
  if (kind === 1) {
    const state = hardState(term + 1, BigInt(random.below(3)), commit)
    return { after: { ...model, hardState: state }, run: (log) => append(log, { hardState: state }) }
  }
  if (kind === 2 && last > commit) {
    const state = hardState(term, vote, commit + 1 + random.below(last - commit))
    return { after: { ...model, hardState: state }, run: (log) => append(log, { hardState: state }) }
  }
  const lowest = Math.max(commit, model.released)
  const previous = random.below(4) === 0 ? lowest + random.below(last - lowest + 1) : last
  const first = previous + 1
  const added = entries(term, first, first + random.below(30), 10 + random.below(60))
  const state = random.below(3) === 0 ? hardState(term, vote, commit) : null
  const after = { ...model, entries: [...model.entries.slice(0, previous - model.start.index), ...added] }
  return { after, run: (log) => append(log, { entries: added, hardState: state }) }
}

function difference(model: Model, got: RecoveredLog): string | null {
  const { term, vote, commit } = got.hardState
  if (term !== model.hardState.term || vote !== model.hardState.vote) return `hard state of term ${term}`
  if (commit > model.hardState.commit) return `commit ${commit}`
  const gotLast = got.entries.at(-1)?.index ?? got.start.index
  if (gotLast !== lastIndex(model)) return `last ${gotLast}, not ${lastIndex(model)}`
  if (got.start.index > Math.max(model.released, model.start.index)) return `start ${got.start.index}`
  if (got.start.index >= model.start.index && got.start.term !== termAt(model, got.start.index)) return 'start term'
  for (const entry of got.entries) {
    if (entry.index <= model.start.index) continue
    const want = model.entries[entry.index - model.start.index - 1]!
    const same = want.term === entry.term && want.type === entry.type && Buffer.compare(want.data, entry.data) === 0
    if (!same) return `entry ${entry.index}`
  }
  return null
}

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}

async function life(seed: number): Promise<void> {
  const random = seededRandom(seed)
  let disk = new FaultyDisk(random)
  let model: Model = { start: { term: 0, index: 0 }, entries: [], hardState: hardState(1, 0n, 0), released: 0 }
  let underWay: Model | null = null
  let fresh = true
  for (let start = 0; start < 6; start++) {
    const opening = openWal(walOptions(disk, { segmentBytes: 2048 }))
    // Starts are cut short too.
    if (random.below(4) === 0) {
      await turns(random.below(12))
      disk = disk.crash()
      continue
    }
    const { log, recovered } = await opening
    if (fresh) {
      await append(log, { hardState: model.hardState })
      fresh = false
    } else {
      const before = difference(model, recovered)
      const after = underWay === null ? before : difference(underWay, recovered)
      assert.ok(before === null || after === null, `seed ${seed}, start ${start}: ${before}; ${after}`)
      if (before !== null) model = underWay!
      model = { ...model, hardState: { ...model.hardState, commit: recovered.hardState.commit } }
    }
    for (let i = random.below(60); i > 0; i--) {
      const operation = randomOperation(model, random)
      await operation.run(log)
      model = operation.after
      if (random.below(10) === 0) {
        const released = Math.max(model.released, Math.min(lastIndex(model), model.hardState.commit))
        model = { ...model, released }
        log.release(released)
      }
    }
    const last = randomOperation(model, random)
    underWay = last.after
    last.run(log).catch((error: Error) => assert.fail(error))
    await turns(random.below(6))
    disk = disk.crash()
  }
}

test('what was acknowledged survives every crash, and what was not is there in full or not at all', async () => {
  for (let seed = 1; seed <= 60; seed++) await life(seed)
})
