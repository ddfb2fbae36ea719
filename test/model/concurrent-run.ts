import { setTimeout as sleep } from 'node:timers/promises'
import { Dice } from '../sim/dice.ts'
import type { AuthModel } from './auth-model.ts'
import { describeChange } from './change-request.ts'
import { expectEqualRules } from './equal-rules.ts'
import { RandomRequests, userNames } from './generator.ts'
import { Nemesis } from './nemesis.ts'
import { deedOf, describe, valuesOf } from './request.ts'
import { isDenial, type Who } from './rules.ts'
import { Mismatch, type World, whoText } from './world.ts'

export interface ConcurrentTotals {
  changes: number
  requests: number
  denials: number
  uncertain: number
  /** Requests of which the model would have allowed both verdicts. */
  either: number
  strikes: number
}

/** Rules, from when they were asked for and from when they were acknowledged, on the clock of this process. */
interface Version {
  readonly model: AuthModel
  readonly askedAt: number
  acknowledgedAt: number
}

const clients = 6
const changePauseMsMax = 40
const strikePauseMsMax = 1500

/**
 * Changes of the rules and requests at the same time. A verdict must be that of the rules at some moment between the
 * beginning and the end of its request: what was revoked, and acknowledged, before it began is not allowed, and what was
 * granted by then is not refused.
 */
export class ConcurrentRun {
  readonly totals: ConcurrentTotals = { changes: 0, requests: 0, denials: 0, uncertain: 0, either: 0, strikes: 0 }
  readonly #world: World
  readonly #seed: number
  readonly #print: (line: string) => void
  readonly #versions: Version[] = []
  readonly #unwritten = new Set<string>()
  #ended = false

  constructor(world: World, seed: number, print: (line: string) => void) {
    this.#world = world
    this.#seed = seed
    this.#print = print
  }

  /** @throws Mismatch at the first verdict that no rules account for. */
  async run(milliseconds: number): Promise<void> {
    const random = new RandomRequests(new Dice(this.#seed, 'changes'))
    const passwords = new Map<string, string>()
    const dice = new Dice(this.#seed, 'turns')
    for (const change of random.setUp()) {
      await this.#world.change(dice.pick(this.#world.present), asRoot, change)
      if (change.kind === 'addUser' && change.password !== null) passwords.set(change.user, change.password)
    }
    this.#versions.push({ model: this.#world.model, askedAt: 0, acknowledgedAt: 0 })
    const until = performance.now() + milliseconds
    const tasks = [
      this.#makeChanges(random, passwords, dice),
      this.#strike(),
      ...Array.from({ length: clients }, (_, client) => this.#request(client)),
    ]
    const timer = setTimeout(() => this.#end(), until - performance.now())
    try {
      await Promise.all(tasks)
    } finally {
      clearTimeout(timer)
      this.#end()
      await Promise.allSettled(tasks)
    }
    await new Nemesis(this.#world, dice, this.#print).heal()
    await this.#world.connections.untilServing(this.#world.cluster.members)
    const history = await this.#world.history(await this.#world.revision())
    const values = new Set(history.map(({ text }) => text.split(' ').at(-1)!))
    for (const value of this.#unwritten) if (values.has(value)) throw new Mismatch(`${value} was refused, and written`)
    await expectEqualRules(this.#world)
  }

  #end(): void {
    this.#ended = true
  }

  async #makeChanges(random: RandomRequests, passwords: Map<string, string>, dice: Dice): Promise<void> {
    while (!this.#ended) {
      await sleep(dice.below(changePauseMsMax))
      const member = dice.pick(this.#world.present)
      const version: Version = { model: this.#world.model, askedAt: performance.now(), acknowledgedAt: Infinity }
      if (dice.chance(0.2)) {
        const user = dice.pick(userNames)
        const password = passwords.get(user)
        if (password === undefined || !this.#world.model.knows(user, password)) continue
        await this.#world.logIn(member, user, password)
        this.#versions.push({ ...version, model: this.#world.model, acknowledgedAt: performance.now() })
        continue
      }
      if (dice.chance(0.12)) {
        const who = random.who(this.#world.tokens, this.#world.model)
        if (who.certificate === 'nobody' || who.token === 'forged' || who.token !== null) continue
        await this.#world.issue(member, who, { ...random.issue(), scope: random.scope() })
        this.#versions.push({ ...version, model: this.#world.model, acknowledgedAt: performance.now() })
        continue
      }
      const change = random.change(this.#world.model, this.#world.tokens)
      const wanted = this.#world.model.change(change, asRoot)
      const made = typeof wanted === 'string' || wanted === this.#world.model ? null : { ...version, model: wanted }
      if (made !== null) this.#versions.push(made)
      await this.#world.change(member, asRoot, change)
      if (made !== null) made.acknowledgedAt = performance.now()
      this.totals.changes++
      this.#print(`${describeChange(change)} at ${member.name}`)
      const isPassword = change.kind === 'addUser' || change.kind === 'changePassword'
      if (isPassword && change.password !== null && made !== null) passwords.set(change.user, change.password)
    }
  }

  async #request(client: number): Promise<void> {
    const dice = new Dice(this.#seed, `client ${client}`)
    const random = new RandomRequests(dice, { name: `c${client}-` })
    while (!this.#ended) {
      const { present, model, tokens } = this.#world
      const member = dice.pick(present)
      const who = random.who(tokens, model)
      const request = dice.chance(0.1) ? random.request([]) : random.op([])
      // The lives of leases are the other run's business.
      if (request.kind === 'leaseGrant') continue
      const began = performance.now()
      const result = await this.#world.request(member, who, request)
      const ended = performance.now()
      if (result.kind === 'uncertain') {
        this.totals.uncertain++
        await sleep(20)
        continue
      }
      this.totals.requests++
      const verdict = result.kind === 'refused' && isDenial(result.reason) ? result.reason : null
      const possible = new Set(this.#versionsAt(began, ended).map((each) => each.model.judge(who, deedOf(request))))
      const text = `${describe(request)} by ${whoText(who)} at ${member.name}`
      if (!possible.has(verdict)) {
        const wanted = [...possible].map((each) => each ?? 'allowed').join(' or ')
        throw new Mismatch(`${text}: ${verdict ?? 'allowed'} instead of ${wanted}`)
      }
      if (possible.size > 1) this.totals.either++
      if (verdict === null) continue
      this.totals.denials++
      const { written, never } = valuesOf(request)
      for (const value of [...written, ...never]) this.#unwritten.add(value)
    }
  }

  /** All rules that were in force at some moment between the two. */
  #versionsAt(began: number, ended: number): Version[] {
    const first = this.#versions.findLastIndex(({ acknowledgedAt }) => acknowledgedAt < began)
    return this.#versions.slice(first).filter(({ askedAt }) => askedAt < ended)
  }

  async #strike(): Promise<void> {
    const dice = new Dice(this.#seed, 'strikes')
    const nemesis = new Nemesis(this.#world, dice, this.#print)
    while (!this.#ended) {
      await sleep(dice.below(strikePauseMsMax))
      this.totals.strikes++
      await nemesis.strike(() => {})
    }
  }
}

const asRoot: Who = { certificate: 'root', token: null }
