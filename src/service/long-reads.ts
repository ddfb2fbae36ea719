import { type Operation, open } from '../auth/operation.ts'
import type { Revision } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import { Code, EtcdError } from '../errors.ts'
import type { Steps } from '../mvcc/steps.ts'
import type { ReadView } from '../mvcc/view.ts'
import type { Pieces } from '../wire/pieces.ts'
import { type Answer, LongAnswer } from './answer.ts'
import type { Call } from './call.ts'
import { type HeldCall, liveCallsOf } from './live-calls.ts'
import type { HeldView, Member } from './member.ts'
import { headerOf, respond } from './respond.ts'
import { StatusError } from './status-error.ts'

export interface ReadResult {
  /** Encoded response without its header. */
  readonly body: Pieces
  /** For the header. */
  readonly revision: Revision
}

/** What is to be read from one state. Errors that it throws refuse the call. */
export type Reading = (view: ReadView) => Steps<ReadResult>

/** The outside world of `LongReads`. */
export interface Turns {
  nowMs(): number
  /** Runs `callback` in the next turn of the event loop, after its input. */
  nextTurn(callback: () => void): void
}

const realTurns: Turns = {
  nowMs: () => performance.now(),
  nextTurn: (callback) => {
    setImmediate(callback)
  },
}

interface Wanted {
  readonly call: Call
  readonly reading: Reading
  /** What the caller must be allowed for as long as it goes on. */
  readonly needed: () => Operation
}

const nothing = (): Operation => open

/** One read that takes more than a turn. */
interface LongRead extends Wanted {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

/** A read that holds a state. */
class Running {
  readonly startedMs: number
  readonly #held: HeldView
  readonly #steps: Steps<ReadResult>
  /** Memory that it holds. */
  bytes = 0

  constructor(held: HeldView, reading: Reading, startedMs: number) {
    this.#held = held
    this.#steps = reading(held.view)
    this.startedMs = startedMs
  }

  /** @returns null if there is more to do. */
  step(): ReadResult | null {
    const { done, value } = this.#steps.next()
    if (done === true) return value
    this.bytes += value
    return null
  }

  /** Repeatable. */
  close(): void {
    // Its iterators first: they may not outlive the view.
    this.#steps.return(undefined as never)
    this.#held.close()
  }
}

/**
 * The reads of one serving thread that may be long. Each begins in the turn in which it comes, or in one of the next if
 * those before it have taken `limits.readsTurnMs` of this one. It begins on a state of its own; what is not done after
 * `limits.readBeginMs` goes on in the turns that follow, of each of which one such read takes `limits.readStepMs`. So
 * nobody waits for a long read but the next long read, and many short ones leave room for everything else.
 *
 * Bounded are how many go on, how many wait to begin, for how long one may hold a state, and the memory that they and the
 * answers that nobody has taken yet hold.
 */
export class LongReads {
  readonly #member: Member
  readonly #turns: Turns
  /** Oldest first. */
  readonly #running = new Map<Running, LongRead>()
  /** In the order in which they go on. */
  #round: Running[] = []
  readonly #waiting = new Set<LongRead>()
  /** Not begun yet, in the order in which they came. */
  #coming: LongRead[] = []
  #heldBytes = 0
  /** When the reads that begin in this turn have taken enough of it; null: none has begun yet. */
  #turnEndsMs: number | null = null
  #isScheduled = false

  constructor(member: Member, turns: Turns = realTurns) {
    this.#member = member
    this.#turns = turns
  }

  /** Memory of the reads that go on, and of answers not taken yet. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /**
   * A read whose caller may no longer ends when that comes about.
   *
   * @throws EtcdError tooManyRequests; what the caller is refused with; timeout for a read that takes longer than `limits.longReadAgeMsMax`; what `reading`
   *   throws. StatusError ResourceExhausted for an answer above `limits.responseBytesMax`.
   */
  read(call: Call, reading: Reading, needed = nothing): Answer | Promise<Answer> {
    const wanted: Wanted = { call, reading, needed }
    if (this.#coming.length === 0 && this.#hasTimeInTurn()) return this.#beginNow(wanted)
    if (this.#coming.length >= limits.readsComingMax) return Promise.reject(new EtcdError('tooManyRequests'))
    return new Promise((resolve, reject) => {
      this.#coming.push({ ...wanted, resolve, reject })
    })
  }

  #beginNow(wanted: Wanted): Answer | Promise<Answer> {
    const beganMs = this.#turns.nowMs()
    const read = new Running(this.#member.holdView(), wanted.reading, beganMs)
    try {
      let result = read.step()
      while (result === null && this.#turns.nowMs() - beganMs < limits.readBeginMs) {
        checkSize(read)
        result = read.step()
      }
      if (result !== null) {
        read.close()
        return this.#answer(result)
      }
      checkSize(read)
    } catch (error) {
      read.close()
      throw error
    }
    return this.#goOnLater(wanted, read)
  }

  #hasTimeInTurn(): boolean {
    const now = this.#turns.nowMs()
    if (this.#turnEndsMs === null) {
      this.#turnEndsMs = now + limits.readsTurnMs
      this.#turns.nextTurn(() => {
        this.#turnEndsMs = null
        this.#beginComing()
      })
    }
    return now < this.#turnEndsMs
  }

  #beginComing(): void {
    const coming = this.#coming
    let begun = 0
    while (begun < coming.length && this.#hasTimeInTurn()) {
      const wanted = coming[begun++]!
      const { resolve, reject } = wanted
      try {
        if (wanted.call.ended) throw new StatusError(Code.Canceled, 'context canceled')
        const answer = this.#beginNow(wanted)
        if (answer instanceof Promise) answer.then(resolve, reject)
        else resolve(answer)
      } catch (error) {
        reject(error)
      }
    }
    this.#coming = coming.slice(begun)
  }

  #goOnLater({ call, reading, needed }: Wanted, begun: Running): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const read: LongRead = { call, reading, needed, resolve, reject }
    let held: HeldCall
    try {
      held = liveCallsOf(this.#member).hold(call, needed, (error) => this.#stop(read, error))
    } catch (error) {
      begun.close()
      return Promise.reject(error)
    }
    try {
      if (this.#hasRoom) this.#enter(read, begun)
      else {
        // What waits holds nothing, and begins anew.
        begun.close()
        if (this.#waiting.size >= limits.longReadsWaitingMax) throw new EtcdError('tooManyRequests')
        this.#waiting.add(read)
      }
    } catch (error) {
      held.release()
      return Promise.reject(error)
    }
    // The call is over: nobody reads the refusal.
    call.onEnd(() => this.#stop(read, new StatusError(Code.Canceled, 'context canceled')))
    return promise.finally(() => held.release())
  }

  get #hasRoom(): boolean {
    return this.#running.size < limits.longReadsMax && this.#heldBytes < limits.longReadsHeldBytesMax
  }

  #enter(read: LongRead, running: Running): void {
    this.#running.set(running, read)
    this.#round.push(running)
    this.#heldBytes += running.bytes
    this.#schedule()
  }

  #leave(running: Running): void {
    this.#running.delete(running)
    this.#round = this.#round.filter((each) => each !== running)
    this.#heldBytes -= running.bytes
    running.close()
    this.#schedule()
  }

  #stop(read: LongRead, refusal: EtcdError | StatusError): void {
    if (this.#waiting.delete(read)) return read.reject(refusal)
    for (const [running, each] of this.#running) {
      if (each !== read) continue
      this.#leave(running)
      return read.reject(refusal)
    }
  }

  #schedule(): void {
    if (this.#isScheduled || (this.#running.size === 0 && this.#waiting.size === 0)) return
    this.#isScheduled = true
    this.#turns.nextTurn(() => {
      this.#isScheduled = false
      this.#begin()
      this.#goOn()
      if (this.#running.size > 0) this.#schedule()
    })
  }

  #begin(): void {
    for (const read of this.#waiting) {
      if (!this.#hasRoom) return
      this.#waiting.delete(read)
      try {
        this.#enter(read, new Running(this.#member.holdView(), read.reading, this.#turns.nowMs()))
      } catch (error) {
        read.reject(error)
      }
    }
  }

  /** One read's share of this turn. */
  #goOn(): void {
    const began = this.#turns.nowMs()
    for (const [running, read] of this.#running) {
      if (began - running.startedMs < limits.longReadAgeMsMax) continue
      this.#leave(running)
      read.reject(new EtcdError('timeout', { cause: 'a read held its state for too long' }))
    }
    const running = this.#next()
    if (running === undefined) return
    const read = this.#running.get(running)!
    try {
      let result = this.#step(running)
      while (result === null && this.#turns.nowMs() - began < limits.readStepMs) result = this.#step(running)
      if (result === null) return
      this.#leave(running)
      read.resolve(this.#answer(result))
    } catch (error) {
      if (this.#running.has(running)) this.#leave(running)
      read.reject(error)
    }
  }

  /** Where memory is short the oldest goes on alone: it is the first to give some back. */
  #next(): Running | undefined {
    if (this.#heldBytes >= limits.longReadsHeldBytesMax) return this.#running.keys().next().value
    const running = this.#round.shift()
    if (running !== undefined) this.#round.push(running)
    return running
  }

  #step(running: Running): ReadResult | null {
    const before = running.bytes
    const result = running.step()
    this.#heldBytes += running.bytes - before
    checkSize(running)
    return result
  }

  #answer({ body, revision }: ReadResult): Answer {
    if (body.length < longAnswerBytes) return respond(this.#member, revision, body.join())
    const parts = [headerOf(this.#member, revision), ...body.parts()]
    const answer = new LongAnswer(parts, () => {
      this.#heldBytes -= answer.length
      this.#schedule()
    })
    this.#heldBytes += answer.length
    return answer
  }
}

/** From here on an answer is not copied into one piece. */
const longAnswerBytes = 1024 * 1024

function checkSize({ bytes }: Running): void {
  if (bytes <= limits.responseBytesMax) return
  const text = `the answer takes more than ${limits.responseBytesMax} bytes: ask for less of it at a time`
  throw new StatusError(Code.ResourceExhausted, `etcdserver: ${text}`)
}

const ofMember = new WeakMap<Member, LongReads>()

/** Reads for a call of this member's, by somebody who has been found to have what is needed: see `LongReads.read`. */
export function readInSteps(
  member: Member,
  call: Call,
  needed: () => Operation,
  reading: Reading,
): Answer | Promise<Answer> {
  let reads = ofMember.get(member)
  if (reads === undefined) {
    reads = new LongReads(member)
    ofMember.set(member, reads)
  }
  return reads.read(call, reading, needed)
}
