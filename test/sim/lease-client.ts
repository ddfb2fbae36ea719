import { type LeaseId, leaseId } from '../../src/base/ids.ts'
import type { LeasePromises } from './checkers/lease-promises.ts'
import type { MemberProcess } from './member-process.ts'
import { grantRequest, putRequest, revokeRequest } from './requests.ts'
import type { ClientOptions, ClientWorld } from './workload.ts'

export interface LeaseWorld extends ClientWorld {
  readonly promises: LeasePromises
}

const patienceMs = 9000

/** A client that takes a lease, hangs a key on it, keeps it alive for a while, and then lets it go or gives it back. */
export class LeaseClient {
  readonly #world: LeaseWorld
  readonly #options: ClientOptions
  readonly #number: number
  #leases = 0
  #calls = 0
  #stopped = false

  constructor(world: LeaseWorld, options: ClientOptions, number: number) {
    this.#world = world
    this.#options = options
    this.#number = number
  }

  start(): void {
    this.#later(500, () => this.#grant())
  }

  stop(): void {
    this.#stopped = true
  }

  #later(ms: number, run: () => void): void {
    this.#world.queue.after(this.#options.dice.between(0.5 * ms, ms), () => {
      if (!this.#stopped) run()
    })
  }

  #member(): MemberProcess {
    return this.#options.dice.pick(this.#world.members())
  }

  #trace(what: string): void {
    this.#world.trace(this.#options.name, what)
  }

  /** Exactly one of `answered` and `failed` runs. */
  #call(call: (member: MemberProcess, done: (settle: () => void) => void) => void, failed: () => void): void {
    let over = false
    const late = this.#world.queue.after(patienceMs, () => {
      over = true
      failed()
    })
    const member = this.#member()
    member.event(() =>
      call(member, (settle) => {
        if (over || member.isDying) return
        over = true
        late.cancel()
        settle()
      }),
    )
  }

  #grant(): void {
    const id = leaseId(BigInt(this.#number * 1000 + ++this.#leases))
    // Long ones, too: what a leader change makes of a checkpoint shows only where its extension is the smaller part.
    const ttlSeconds = 2 + this.#options.dice.below(this.#options.dice.chance(0.5) ? 5 : 20)
    const asked = this.#world.queue.nowMs
    const floor = this.#world.answers.floor()
    const what = `grant ${id} for ${ttlSeconds} s`
    const request = grantRequest(`${this.#options.name}.${++this.#calls}`, id, ttlSeconds)
    this.#trace(what)
    const again = (): void => this.#later(500, () => this.#grant())
    this.#call(
      (member, done) =>
        member.replica?.propose('leaseGrant', request, (error, outcome) =>
          done(() => {
            this.#trace(`${what}: ${error?.message ?? (outcome?.ok ? 'ok' : 'refused')}`)
            if (outcome) this.#world.answers.written(what, request, outcome, floor)
            if (!outcome?.ok) return again()
            this.#world.promises.confirmed(id, asked, ttlSeconds)
            this.#later(5, () => this.#attach(id))
            this.#keepAlive(id, ttlSeconds, this.#options.dice.below(8))
          }),
        ),
      again,
    )
  }

  #attach(id: LeaseId): void {
    const tag = `${this.#options.name}.${++this.#calls}`
    const request = putRequest(tag, `lease/${id}`, tag, id)
    const floor = this.#world.answers.floor()
    this.#call(
      (member, done) =>
        member.replica?.propose('put', request, (_, outcome) =>
          done(() => {
            if (outcome) this.#world.answers.written(`${tag} put with lease ${id}`, request, outcome, floor)
          }),
        ),
      () => {},
    )
  }

  #keepAlive(id: LeaseId, ttlSeconds: number, renewals: number): void {
    if (renewals === 0) {
      if (this.#options.dice.chance(0.3)) this.#later(5, () => this.#revoke(id))
      return this.#later(1000, () => this.#grant())
    }
    this.#later(ttlSeconds * 800, () => {
      const asked = this.#world.queue.nowMs
      this.#call(
        (member, done) =>
          member.replica?.renewLease(id, (error, ttl) =>
            done(() => {
              this.#trace(`renew ${id} on ${member.name}: ${error?.message ?? `${ttl} s`}`)
              if (!error && ttl > 0) this.#world.promises.confirmed(id, asked, ttl)
              if (!error && ttl === 0) return this.#later(1000, () => this.#grant())
              this.#keepAlive(id, ttlSeconds, renewals - 1)
            }),
          ),
        () => this.#keepAlive(id, ttlSeconds, renewals - 1),
      )
    })
  }

  #revoke(id: LeaseId): void {
    this.#world.promises.revocationAsked(id)
    const request = revokeRequest(`${this.#options.name}.${++this.#calls}`, id)
    const floor = this.#world.answers.floor()
    this.#trace(`revoke ${id}`)
    this.#call(
      (member, done) =>
        member.replica?.propose('leaseRevoke', request, (_, outcome) =>
          done(() => {
            if (outcome) this.#world.answers.written(`revoke ${id}`, request, outcome, floor)
          }),
        ),
      () => {},
    )
  }
}
