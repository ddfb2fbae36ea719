import type { Outcome } from '../../src/apply/outcome.ts'
import { range } from '../../src/mvcc/range.ts'
import { allAtOnce } from '../../src/mvcc/steps.ts'
import type { WriteKind } from '../../src/service/member.ts'
import type { Answers } from './checkers/answers.ts'
import type { Dice } from './dice.ts'
import type { EventQueue } from './event-queue.ts'
import type { MemberProcess } from './member-process.ts'
import type { RegisterInput, RegisterOutput } from './register-model.ts'
import {
  compactRequest,
  deletedOf,
  deleteRequest,
  getRequest,
  putAllRequest,
  putRequest,
  readValueOf,
  swapReadOf,
  swapRequest,
} from './requests.ts'

export interface ClientWorld {
  readonly queue: EventQueue
  readonly answers: Answers
  /** Members that a client may try; some may be down. */
  members(): readonly MemberProcess[]
  trace(who: string, what: string): void
}

export interface ClientOptions {
  readonly name: string
  readonly keys: readonly string[]
  readonly dice: Dice
}

const patienceMs = 9000

/**
 * A client that does one thing after another: writes, reads and swaps on a few keys, on one member for a while and then
 * on another. It gives up on a call after a while; what it gave up on may still happen.
 */
export class Client {
  readonly #world: ClientWorld
  readonly #options: ClientOptions
  #member: MemberProcess | null = null
  #calls = 0
  #stopped = false
  /** What the client believes of each key, to make its swaps succeed now and then. */
  readonly #believed = new Map<string, string | null>()

  constructor(world: ClientWorld, options: ClientOptions) {
    this.#world = world
    this.#options = options
  }

  start(): void {
    this.#pause()
  }

  stop(): void {
    this.#stopped = true
  }

  #pause(): void {
    this.#world.queue.after(this.#options.dice.between(1, 200), () => this.#next())
  }

  #next(): void {
    if (this.#stopped) return
    const { dice, keys, name } = this.#options
    const members = this.#world.members()
    if (this.#member === null || !this.#member.isUp || dice.chance(0.3)) this.#member = dice.pick(members)
    const member = this.#member
    if (!member.isUp) return this.#pause()
    const key = dice.pick(keys)
    const tag = `${name}.${++this.#calls}`
    const roll = dice.below(100)
    if (roll < 30) this.#read(member, tag, key)
    else if (roll < 35) this.#readOld(member, tag, key)
    else if (roll < 65) {
      const write = { tag, kind: 'put' as const, request: putRequest(tag, key, tag), keys: [key] }
      this.#write(member, write, { kind: 'put', value: tag }, () => ({ kind: 'done' }))
    } else if (roll < 72) {
      const write = { tag, kind: 'deleteRange' as const, request: deleteRequest(tag, key), keys: [key] }
      const parse = (body: Uint8Array): RegisterOutput => ({ kind: 'deleted', existed: deletedOf(body) > 0n })
      this.#write(member, write, { kind: 'delete' }, parse)
    } else if (roll < 92) {
      const expected = this.#believed.get(key) ?? null
      const write = { tag, kind: 'txn' as const, request: swapRequest(tag, key, expected, tag), keys: [key] }
      this.#write(member, write, { kind: 'swap', expected, value: tag }, (body) => {
        const read = swapReadOf(body)
        this.#believed.set(key, read === undefined ? tag : read)
        return read === undefined ? { kind: 'swapped' } : { kind: 'value', value: read }
      })
    } else if (roll < 98) {
      const write = { tag, kind: 'txn' as const, request: putAllRequest(tag, keys, tag), keys }
      this.#write(member, write, { kind: 'put', value: tag }, () => ({ kind: 'done' }))
    } else this.#compact(member, tag)
  }

  /** Runs `call` on the member; `settled` at most once, before the client lost patience or the member died. */
  #call(member: MemberProcess, what: string, call: (answer: (settle: () => void) => void) => void): void {
    let over = false
    const late = this.#world.queue.after(patienceMs, () => {
      over = true
      this.#world.trace(this.#options.name, `${what}: no answer`)
      this.#pause()
    })
    this.#world.trace(this.#options.name, `${what} on ${member.name}`)
    member.event(() =>
      call((settle) => {
        if (over || member.isDying) return
        over = true
        late.cancel()
        settle()
        this.#pause()
      }),
    )
  }

  #read(member: MemberProcess, tag: string, key: string): void {
    const { answers, queue } = this.#world
    const floor = answers.floor()
    const operation = answers.began(key, { kind: 'get' }, queue.nowMs)
    const what = `${tag} get ${key}`
    this.#call(member, what, (answer) =>
      member.replica?.readBarrier((error, index) => {
        if (error) return answer(() => this.#world.trace(this.#options.name, `${what}: ${error.message}`))
        member.whenApplied(index, () =>
          answer(() => {
            const { body, revision } = allAtOnce(range(member.state.tables, getRequest(key)))
            const value = readValueOf(body.join())
            this.#world.trace(this.#options.name, `${what}: ${value} at ${revision}`)
            this.#believed.set(key, value)
            answers.read(what, key, value, revision, floor)
            operation.output = { kind: 'value', value }
            operation.returnedAt = queue.nowMs
          }),
        )
      }),
    )
  }

  /** A serializable read. */
  #readOld(member: MemberProcess, tag: string, key: string): void {
    const what = `${tag} get --serializable ${key}`
    this.#call(member, what, (answer) =>
      answer(() => {
        const { body, revision } = allAtOnce(range(member.state.tables, getRequest(key)))
        this.#world.answers.read(what, key, readValueOf(body.join()), revision, null)
      }),
    )
  }

  #write(
    member: MemberProcess,
    write: {
      readonly tag: string
      readonly kind: WriteKind
      readonly request: Uint8Array
      readonly keys: readonly string[]
    },
    input: RegisterInput,
    parse: (body: Uint8Array) => RegisterOutput,
  ): void {
    const { answers, queue } = this.#world
    const floor = answers.floor()
    const operations = write.keys.map((key) => answers.began(key, input, queue.nowMs))
    const what = `${write.tag} ${input.kind} ${write.keys.join(' ')}`
    this.#call(member, what, (answer) =>
      member.replica?.propose(write.kind, write.request, (error, outcome) =>
        answer(() => {
          this.#world.trace(this.#options.name, `${what}: ${showAnswer(error, outcome)}`)
          if (outcome) answers.written(what, write.request, outcome, floor)
          if (!outcome?.ok) return
          const output = parse(outcome.body)
          for (const operation of operations) Object.assign(operation, { output, returnedAt: queue.nowMs })
        }),
      ),
    )
  }

  #compact(member: MemberProcess, tag: string): void {
    const { answers } = this.#world
    const floor = answers.floor()
    const revision = floor - this.#options.dice.below(10)
    const request = compactRequest(tag, revision)
    const what = `${tag} compact ${revision}`
    if (revision <= 0) return this.#pause()
    this.#call(member, what, (answer) =>
      member.replica?.propose('compact', request, (error, outcome) =>
        answer(() => {
          this.#world.trace(this.#options.name, `${what}: ${showAnswer(error, outcome)}`)
          if (outcome) answers.written(what, request, outcome, floor)
        }),
      ),
    )
  }
}

function showAnswer(error: Error | null, outcome: Outcome | null): string {
  if (error || !outcome) return error?.message ?? 'nothing'
  return outcome.ok ? `ok at ${outcome.revision}` : `${outcome.reason} at ${outcome.revision}`
}
