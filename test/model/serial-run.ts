import type { EtcdErrorReason } from '../../src/errors.ts'
import { refusalText } from '../../src/service/watch-access.ts'
import { Dice } from '../sim/dice.ts'
import type { TestMember } from '../support/member.ts'
import { BackgroundWriter } from './background-writer.ts'
import { describeChange } from './change-request.ts'
import { checkWatches } from './check-watches.ts'
import { expectEqualRules } from './equal-rules.ts'
import { RandomRequests, userNames } from './generator.ts'
import { LiveWatch } from './live-watch.ts'
import { Nemesis } from './nemesis.ts'
import { type Attachments, attach, deedOf, describe, isWrite, type Request, valuesOf } from './request.ts'
import { isDenial, type Who } from './rules.ts'
import { Mismatch, type World, whoText } from './world.ts'

export interface Totals {
  changes: number
  requests: number
  denials: number
  logins: number
  tokens: number
  watches: number
  watchesEnded: number
  strikes: number
}

const watchesMax = 12
const ancestorsMax = 3
/** Each failed one makes the next ones wait. */
const wrongPasswordsMax = 3

/**
 * One thing after the other, so that the model says exactly what must come of each: changes of the rules, requests, logins,
 * the coming and going of members. Beside it only a writer, whose events watches get or must not get.
 */
export class SerialRun {
  readonly totals: Totals = {
    ...{ changes: 0, requests: 0, denials: 0, logins: 0, tokens: 0 },
    ...{ watches: 0, watchesEnded: 0, strikes: 0 },
  }
  readonly #world: World
  readonly #dice: Dice
  readonly #random: RandomRequests
  readonly #nemesis: Nemesis
  readonly #print: (line: string) => void
  readonly #passwords = new Map<string, string>()
  readonly #attachments: Attachments = new Map()
  readonly #leases = new Set<number>()
  /** Values of puts that were carried out, and of those that must not have been. */
  readonly #written = new Set<string>()
  readonly #unwritten = new Set<string>()
  #watches: LiveWatch[] = []
  #wrongPasswords = 0
  /** Revision of the data when the rules changed last. */
  #changedAt = 1

  constructor(world: World, seed: number, print: (line: string) => void) {
    this.#world = world
    this.#print = print
    this.#dice = new Dice(seed, 'steps')
    this.#random = new RandomRequests(new Dice(seed, 'requests'))
    this.#nemesis = new Nemesis(world, new Dice(seed, 'nemesis'), print)
  }

  /** @throws Mismatch at the first step that is not as the model says. */
  async run(steps: number): Promise<void> {
    const asRoot: Who = { certificate: 'root', token: null }
    for (const change of this.#random.setUp()) {
      await this.#world.change(this.#member(), asRoot, change)
      if (change.kind === 'addUser' && change.password !== null) this.#passwords.set(change.user, change.password)
    }
    {
      await using writer = new BackgroundWriter(this.#world)
      for (let step = 0; step < steps; step++) {
        await this.#step()
        writer.throwIfDenied()
      }
      await this.#nemesis.heal()
      await this.#world.connections.untilServing(this.#world.cluster.members)
    }
    await this.#check()
    const history = await this.#world.history(await this.#world.revision())
    const values = new Set(history.map(({ text }) => text.split(' ').at(-1)!))
    for (const value of this.#written) if (!values.has(value)) throw new Mismatch(`${value} was never written`)
    for (const value of this.#unwritten) if (values.has(value)) throw new Mismatch(`${value} was refused, and written`)
    await expectEqualRules(this.#world)
    for (const watch of this.#watches) watch.close()
  }

  async #step(): Promise<void> {
    const roll = this.#dice.below(1000)
    if (roll < 250) return this.#change()
    if (roll < 800) return this.#request()
    if (roll < 845) return this.#logIn()
    if (roll < 880) return this.#issue()
    if (roll < 960) return this.#watch()
    if (roll < 985) return this.#check()
    this.totals.strikes++
    await this.#nemesis.strike((member) => this.#lose(member))
  }

  async #change(): Promise<void> {
    const { model } = this.#world
    const change = this.#random.change(model, this.#world.tokens)
    const who: Who = this.#dice.chance(0.85)
      ? { certificate: 'root', token: null }
      : this.#random.who(this.#world.tokens, model)
    const member = this.#member()
    const revision = await this.#world.change(member, who, change)
    this.totals.changes++
    this.#print(`${describeChange(change)} by ${whoText(who)} at ${member.name}, at ${revision}`)
    if (this.#world.model === model) return
    const isPassword = change.kind === 'addUser' || change.kind === 'changePassword'
    if (isPassword && change.password !== null) this.#passwords.set(change.user, change.password)
    this.#changedAt = revision
    for (const watch of this.#watches) {
      watch.take()
      watch.judge(this.#world.model, revision)
    }
  }

  async #request(): Promise<void> {
    const { model, tokens } = this.#world
    const who = this.#random.who(tokens, model)
    const request = this.#random.request([...this.#leases])
    const member = this.#member()
    const verdict = model.judge(who, deedOf(request), (lease) => this.#keysOfLease(lease))
    const { result, repeated } = await this.#world.connections.insist(this.#world.from(member), (each) =>
      this.#world.request(each, who, request),
    )
    this.totals.requests++
    const denial = result.kind === 'refused' && isDenial(result.reason) ? result.reason : null
    const text = `${describe(request)} by ${whoText(who)} at ${member.name}`
    this.#print(`${text}: ${verdict ?? 'may'}`)
    if (denial !== verdict) throw new Mismatch(`${text}: ${denial ?? 'allowed'} instead of ${verdict ?? 'allowed'}`)
    const { written, never } = valuesOf(request)
    if (denial !== null) {
      this.totals.denials++
      for (const value of [...written, ...never]) this.#unwritten.add(value)
      return
    }
    if (result.kind === 'refused' && !isExpected(request, result.reason, repeated)) {
      throw new Mismatch(`${text}: ${result.text}`)
    }
    for (const value of written) this.#written.add(value)
    for (const value of never) this.#unwritten.add(value)
    attach(this.#attachments, request)
    // Of one that was asked for more than once, the first may yet be carried out, too, and attach a key anew.
    if (repeated && isWrite(request)) this.#leases.clear()
    if (request.kind === 'leaseGrant') this.#leases.add(request.lease)
    if (request.kind === 'leaseRevoke') this.#leases.delete(request.lease)
  }

  #keysOfLease(lease: number): string[] {
    return [...this.#attachments].filter(([, attached]) => attached === lease).map(([key]) => key)
  }

  async #logIn(): Promise<void> {
    const user = this.#dice.pick(userNames)
    const known = this.#passwords.get(user)
    const isWrong = known === undefined || !this.#world.model.knows(user, known)
    if (isWrong && this.#wrongPasswords++ >= wrongPasswordsMax) return
    await this.#world.logIn(this.#member(), user, known ?? 'none')
    this.totals.logins++
    this.#print(`log in ${user}`)
  }

  async #issue(): Promise<void> {
    const who = this.#random.who(this.#world.tokens, this.#world.model)
    // Each token may be made of one that was made of another, but not for ever.
    const depth = typeof who.token === 'number' ? (this.#world.model.tokens.get(who.token)?.ancestors.length ?? 0) : 0
    if (depth >= ancestorsMax) return
    const asked = { ...this.#random.issue(), scope: this.#random.scope() }
    this.#print(await this.#world.issue(this.#member(), who, asked))
    this.totals.tokens++
  }

  async #watch(): Promise<void> {
    const { model, tokens, connections } = this.#world
    const open = this.#watches.filter((watch) => !watch.lost && watch.canceled === null)
    if (open.length >= watchesMax) return
    const who = this.#random.who(tokens, model)
    const member = this.#member()
    // What its member has not heard of yet may let a watch begin that ends as soon as it has; it never keeps one out.
    const isCaughtUp = this.#dice.chance(0.5)
    if (isCaughtUp && (await connections.authStatus(member).catch(() => null)) === null) return
    const startRevision = this.#dice.chance(0.6)
      ? 0
      : Math.max(2, (await this.#world.revision()) - this.#dice.below(20))
    const plan = { member, who, range: this.#random.watchRange(), startRevision }
    const token = who.token === null ? null : this.#world.tokenText(who.token)
    const stream = connections.stream(member, who.certificate, token, '/etcdserverpb.Watch/Watch')
    const watch = new LiveWatch(plan, stream, model)
    if (!(await watch.answered())) return watch.close()
    this.totals.watches++
    const denial = watch.denial(model)
    this.#print(`${watch}: ${denial ?? 'may'}`)
    const wanted = denial === null ? null : refusalText(denial)
    if (watch.refusal === null && denial !== null && !isCaughtUp) watch.rightsEndedAt = this.#changedAt
    else if (watch.refusal !== wanted) throw new Mismatch(`${watch}: ${watch.refusal} instead of ${wanted}`)
    if (watch.refusal === null) this.#watches.push(watch)
    else watch.close()
  }

  /** What has come on each watch is what should have come. */
  async #check(): Promise<void> {
    const through = await this.#world.revision()
    const history = await this.#world.history(through)
    const over = await checkWatches(this.#watches, history, through, this.#world.away)
    for (const watch of over) watch.close()
    this.totals.watchesEnded += over.size
    this.#watches = this.#watches.filter((watch) => !over.has(watch))
    for (const member of this.#world.cluster.members) {
      if (!member.isRunning && !this.#world.away.has(member)) throw new Mismatch(`${member.name} has ended`)
    }
  }

  #lose(member: TestMember): void {
    for (const watch of this.#watches) if (watch.plan.member === member) watch.lost = true
  }

  #member(): TestMember {
    return this.#dice.pick(this.#world.present)
  }
}

/** What may come of a request that is allowed, other than that it is carried out. */
function isExpected({ kind }: Request, reason: EtcdErrorReason | 'unknown', repeated: boolean): boolean {
  switch (kind) {
    case 'compact':
      // It was compacted there before.
      return reason === 'compacted'
    case 'userGet':
      return reason === 'userNotFound'
    case 'roleGet':
      return reason === 'roleNotFound'
    case 'leaseGrant':
      return repeated && reason === 'leaseExists'
    case 'leaseRevoke':
      return repeated && reason === 'leaseNotFound'
    default:
      return false
  }
}
