import type { Dice } from '../sim/dice.ts'
import type { TestMember } from '../support/member.ts'
import type { World } from './world.ts'

/** Entries after which a member that was away gets a snapshot instead of the log. */
export const snapshotEntries = 100

/** Takes members away and brings them back, never more than one at a time but for a restart of all. */
export class Nemesis {
  readonly #world: World
  readonly #dice: Dice
  readonly #print: (line: string) => void

  constructor(world: World, dice: Dice, print: (line: string) => void) {
    this.#world = world
    this.#dice = dice
    this.#print = print
  }

  /** @param onLost is told of members whose process ended. */
  async strike(onLost: (member: TestMember) => void): Promise<void> {
    const { away } = this.#world
    if (away.size > 0) return this.heal()
    const roll = this.#dice.below(100)
    if (roll < 8) return this.#restartAll(onLost)
    const victim = this.#dice.chance(0.5) ? await this.#leader() : this.#dice.pick(this.#world.present)
    away.add(victim)
    if (roll < 50) {
      this.#print(`pause ${victim.name}`)
      victim.signal('SIGSTOP')
      return
    }
    this.#print(`kill ${victim.name}`)
    await victim.kill()
    onLost(victim)
    if (roll < 75) return
    this.#print(`write ${2 * snapshotEntries} entries without ${victim.name}`)
    const puts = Array.from({ length: 2 * snapshotEntries }, (_, index) => index)
    const lanes = Array.from({ length: 10 }, async () => {
      for (let put = puts.pop(); put !== undefined; put = puts.pop()) {
        await this.#world.connections.insist(
          () => this.#world.present,
          (member) => this.#world.putAsRoot(member, 'zz', `filling ${put}`),
        )
      }
    })
    await Promise.all(lanes)
  }

  /** Everybody comes back. Who was paused is there at once, and may have much to catch up with. */
  async heal(): Promise<void> {
    const { away, connections } = this.#world
    for (const member of [...away]) {
      this.#print(`bring back ${member.name}`)
      if (member.isRunning) {
        away.delete(member)
        member.signal('SIGCONT')
      } else member.start()
    }
    await connections.untilServing([...away])
    away.clear()
  }

  async #restartAll(onLost: (member: TestMember) => void): Promise<void> {
    const { members } = this.#world.cluster
    this.#print('kill all and start them again')
    await Promise.all(members.map((member) => member.kill()))
    for (const member of members) onLost(member)
    for (const member of members) member.start()
    await this.#world.connections.untilServing(members)
  }

  async #leader(): Promise<TestMember> {
    const { present, connections } = this.#world
    for (const member of present) if (await connections.leads(member)) return member
    return this.#dice.pick(present)
  }
}
