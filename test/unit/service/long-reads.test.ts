import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../src/base/limits.ts'
import { Code, EtcdError } from '../../../src/errors.ts'
import type { Answer } from '../../../src/service/answer.ts'
import { joinedAnswer, LongAnswer } from '../../../src/service/answer.ts'
import { LongReads, type Reading } from '../../../src/service/long-reads.ts'
import type { HeldView } from '../../../src/service/member.ts'
import { StatusError } from '../../../src/service/status-error.ts'
import { Pieces } from '../../../src/wire/pieces.ts'
import { fakeCall, liveCall } from '../../support/fake-call.ts'
import { FakeMember } from '../../support/fake-member.ts'

class HoldingMember extends FakeMember {
  held = 0
  override holdView(): HeldView {
    this.held++
    let isOpen = true
    return {
      view: this.view,
      close: () => {
        if (isOpen) this.held--
        isOpen = false
      },
    }
  }
}

/** Every step takes as long as `stepMs` says; turns come when the test says so. */
function harness() {
  const member = new HoldingMember()
  let nowMs = 0
  let callbacks: (() => void)[] = []
  const reads = new LongReads(member, { nowMs: () => nowMs, nextTurn: (callback) => callbacks.push(callback) })
  const log: string[] = []
  /** Reads that take `steps` steps of `stepMs` and hold `bytes` more after each; every step is logged. */
  const reading = (name: string, steps: number, { stepMs = 1, bytes = 1 } = {}): Reading =>
    function* () {
      for (let n = 0; n < steps; n++) {
        log.push(name)
        nowMs += stepMs
        yield bytes
      }
      const body = new Pieces()
      body.add(Buffer.from(name))
      return { body, revision: 7 }
    }
  const turn = (): void => {
    const due = callbacks
    callbacks = []
    for (const callback of due) callback()
  }
  /** What was logged since the last look. */
  const said = (): string => log.splice(0).join('')
  return {
    member,
    reads,
    reading,
    turn,
    said,
    pass: (ms: number): void => {
      nowMs += ms
    },
    isIdle: () => callbacks.length === 0,
  }
}

const text = (answer: Answer): string => Buffer.from(joinedAnswer(answer)).toString('latin1').slice(-1)
const reasonOf = async (answer: Answer | Promise<Answer>): Promise<string> =>
  Promise.resolve(answer).then(
    () => 'answered',
    (error: unknown) => {
      if (error instanceof EtcdError) return error.reason
      if (error instanceof StatusError) return String(error.code)
      throw error
    },
  )

test('a short read is answered at once and lets go of its state', () => {
  const { reads, reading, member, turn, isIdle } = harness()
  const answer = reads.read(liveCall, reading('a', 0))
  assert.ok(answer instanceof Uint8Array)
  assert.equal(text(answer), 'a')
  assert.equal(member.held, 0)
  turn()
  assert.ok(isIdle())
})

test('long reads take one step each in turn', async () => {
  const { reads, reading, member, turn, said, isIdle } = harness()
  const a = reads.read(liveCall, reading('a', 7))
  const b = reads.read(liveCall, reading('b', 4))
  assert.equal(said(), 'aabb')
  for (let n = 0; n < 5; n++) turn()
  assert.equal(said(), 'ababa')
  assert.equal(member.held, 2)
  while (!isIdle()) turn()
  assert.equal(text(await a) + text(await b), 'ab')
  assert.equal(member.held, 0)
  assert.equal(reads.heldBytes, 0)
})

test('more reads than may go on wait in order, hold nothing, and begin anew', async () => {
  const { reads, reading, member, turn, said, isIdle } = harness()
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  const answers = names.map((name) => reads.read(liveCall, reading(name, 3)))
  assert.equal(member.held, limits.longReadsMax)
  said()
  while (!isIdle()) turn()
  const steps = said()
  assert.ok(steps.indexOf('e') < steps.indexOf('f'))
  // It began when its turn came, found no room to go on, and began anew.
  assert.equal(steps.split('e').length - 1, 2 + 3)
  assert.deepEqual(await Promise.all(answers.map(async (answer) => text(await answer))), names)
  assert.equal(member.held, 0)
})

test('many short reads share a turn, and those that it has no time for begin in the next, in order', async () => {
  const { reads, reading, member, turn, said } = harness()
  const names = [...'abcdefghijkl']
  const answers = names.map((name) => reads.read(liveCall, reading(name, 1)))
  assert.equal(said(), 'abcdefgh')
  assert.equal(member.held, 0)
  const late = reads.read(liveCall, reading('z', 1))
  turn()
  assert.equal(said(), 'ijklz')
  assert.deepEqual(await Promise.all([...answers, late].map(async (answer) => text(await answer))), [...names, 'z'])
})

test('a call that ends before its read begins costs nothing', async () => {
  const { reads, reading, turn, said } = harness()
  for (let n = 0; n < limits.readsTurnMs; n++) void reads.read(liveCall, reading('a', 1))
  const call = fakeCall()
  const reason = reasonOf(reads.read(call, reading('b', 1)))
  said()
  call.end()
  turn()
  assert.equal(await reason, String(Code.Canceled))
  assert.equal(said(), '')
})

test('too many that have not begun are refused', async () => {
  const { reads, reading } = harness()
  for (let n = 0; n < limits.readsTurnMs + limits.readsComingMax; n++) void reads.read(liveCall, reading('a', 1))
  assert.equal(await reasonOf(reads.read(liveCall, reading('b', 1))), 'tooManyRequests')
})

test('too many that wait are refused', async () => {
  const { reads, reading, turn } = harness()
  for (let n = 0; n < limits.longReadsMax + limits.longReadsWaitingMax; n++) {
    void reads.read(liveCall, reading('a', 1_000_000))
    turn()
  }
  assert.equal(await reasonOf(reads.read(liveCall, reading('b', 9))), 'tooManyRequests')
  assert.equal(text(await reads.read(liveCall, reading('c', 0))), 'c')
})

test('a call that ends takes its read with it, whether it goes on or waits', async () => {
  const { reads, reading, member, turn, said } = harness()
  const calls = Array.from({ length: limits.longReadsMax + 1 }, () => fakeCall())
  const answers = calls.map((call, n) => reads.read(call, reading(String(n), 9)))
  const reasons = answers.map(reasonOf)
  calls[0]!.end()
  assert.equal(member.held, limits.longReadsMax - 1)
  calls[limits.longReadsMax]!.end()
  said()
  turn()
  assert.equal(member.held, limits.longReadsMax - 1)
  for (const call of calls) call.end()
  assert.equal(member.held, 0)
  assert.equal(reads.heldBytes, 0)
  assert.deepEqual(new Set(await Promise.all(reasons)), new Set([String(Code.Canceled)]))
  said()
  turn()
  assert.equal(said(), '')
})

test('a read that holds its state for too long is given up', async () => {
  const { reads, reading, member, turn, pass } = harness()
  const old = reasonOf(reads.read(liveCall, reading('a', 1000)))
  pass(limits.longReadAgeMsMax - 100)
  const young = reasonOf(reads.read(liveCall, reading('b', 3)))
  pass(100)
  for (let n = 0; n < 5; n++) turn()
  assert.deepEqual([await old, await young], ['timeout', 'answered'])
  assert.equal(member.held, 0)
})

test('an answer that grows too large is refused while it is made', async () => {
  const { reads, reading, member, turn, isIdle } = harness()
  const large = reads.read(liveCall, reading('a', 100, { bytes: limits.responseBytesMax / 10 }))
  const reason = reasonOf(large)
  while (!isIdle()) turn()
  assert.equal(await reason, String(Code.ResourceExhausted))
  assert.throws(() => reads.read(liveCall, reading('b', 100, { bytes: 2 * limits.responseBytesMax })), StatusError)
  assert.equal(member.held, 0)
  assert.equal(reads.heldBytes, 0)
})

test('where memory is short only the oldest goes on, and new ones wait', async () => {
  const { reads, reading, turn, said, isIdle } = harness()
  const bytes = limits.longReadsHeldBytesMax / 6
  const answers = ['a', 'b'].map((name) => reads.read(liveCall, reading(name, 6, { bytes, stepMs: 2 })))
  turn()
  turn()
  turn()
  turn()
  said()
  const late = reads.read(liveCall, reading('c', 9, { stepMs: 2 }))
  assert.equal(said(), 'c')
  turn()
  turn()
  assert.equal(said().replaceAll('a', ''), '')
  while (!isIdle()) turn()
  assert.deepEqual(await Promise.all([...answers, late].map(async (answer) => text(await answer))), ['a', 'b', 'c'])
})

test('a long answer comes in parts, and counts until its client has it', async () => {
  const { reads, turn, isIdle } = harness()
  const part = new Uint8Array(64 * 1024).fill(1)
  const reading: Reading = function* () {
    const body = new Pieces()
    for (let n = 0; n < 40; n++) {
      body.add(part)
      body.pack()
      yield part.length
    }
    return { body, revision: 7 }
  }
  const answer = await reads.read(liveCall, reading)
  while (!isIdle()) turn()
  assert.ok(answer instanceof LongAnswer)
  assert.equal(answer.parts.length, 41)
  assert.equal(reads.heldBytes, answer.length)
  answer.release()
  answer.release()
  assert.equal(reads.heldBytes, 0)
})

test('what a read throws refuses its call, at once or later', async () => {
  const { reads, member, turn, reading } = harness()
  const failing = (steps: number): Reading =>
    function* (view) {
      yield* reading('a', steps)(view)
      throw new EtcdError('compacted')
    }
  assert.throws(() => reads.read(liveCall, failing(0)), new EtcdError('compacted'))
  const later = reasonOf(reads.read(liveCall, failing(3)))
  turn()
  turn()
  assert.equal(await later, 'compacted')
  assert.equal(member.held, 0)
})
