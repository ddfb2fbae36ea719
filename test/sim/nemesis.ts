import type { MemberId } from '../../src/base/ids.ts'
import { ConfChange_Type } from '../../src/wire/gen/internal.ts'
import type { Cluster } from './cluster.ts'
import type { Dice } from './dice.ts'
import type { MemberProcess } from './member-process.ts'
import type { FaultKind } from './settings.ts'

const membersMax = 6

/** Does harm to a cluster, in the kinds that the settings of the run allow. */
export class Nemesis {
  readonly #cluster: Cluster
  readonly #dice: Dice
  readonly #kinds: readonly FaultKind[]
  #stopped = false
  /** A wiped member has forgotten its votes and its log: until it has caught up it counts as the one fault there is. */
  #wiped: MemberProcess | null = null

  constructor(cluster: Cluster, dice: Dice) {
    this.#cluster = cluster
    this.#dice = dice
    this.#kinds = [...cluster.settings.faults]
  }

  start(): void {
    if (this.#kinds.length > 0) this.#later(2 * this.#cluster.settings.faultEveryMs, () => this.#strike())
  }

  /** Takes all harm back. Membership stays as it is. */
  stop(): void {
    this.#stopped = true
    this.#wiped = null
    this.#calm()
    for (const member of this.#cluster.allMembers()) {
      this.#quickDisk(member)
      member.resume()
      member.crashAfterCalls(0)
      this.#cluster.startMember(member)
    }
  }

  #later(meanMs: number, run: () => void): void {
    this.#cluster.queue.after(this.#dice.between(0, 2 * meanMs), () => {
      if (!this.#stopped) run()
    })
  }

  #strike(): void {
    this.#later(this.#cluster.settings.faultEveryMs, () => this.#strike())
    if (this.#wiped) {
      if (!this.#hasCaughtUp(this.#wiped)) return
      this.#wiped = null
    }
    this.#do(this.#dice.pick(this.#kinds))
  }

  #do(kind: FaultKind): void {
    const { network } = this.#cluster
    const up = this.#cluster.allMembers().filter((member) => member.isUp)
    if (up.length === 0) return
    const victim = this.#dice.pick(up)
    const ids = this.#cluster.allMembers().map((member) => member.id)
    switch (kind) {
      case 'crash':
        return this.#crash(victim)
      case 'crashInEvent':
        victim.crashAfterCalls(1 + this.#dice.below(30))
        return this.#later(2000, () => this.#cluster.startMember(victim))
      case 'crashAll':
        for (const member of up) this.#crash(member)
        return
      case 'partition': {
        const shuffled = this.#dice.shuffle(ids)
        const size = 1 + this.#dice.below(Math.max(1, ids.length - 1))
        for (const a of shuffled.slice(0, size)) for (const b of shuffled.slice(size)) this.#cut(a, b)
        return this.#healLater()
      }
      case 'oneWay':
        network.cut(this.#dice.pick(ids), this.#dice.pick(ids))
        return this.#healLater()
      case 'isolateLeader': {
        const leader = up.find((member) => member.replica?.raftStatus().role === 'leader')
        if (!leader) return
        for (const other of ids) if (other !== leader.id) this.#cut(leader.id, other)
        return this.#healLater()
      }
      case 'pause':
        victim.pause()
        return this.#later(this.#dice.pick([300, 2000, 6000]), () => victim.resume())
      case 'slowDisk':
        victim.log.faults.delayMs = [20, 300]
        victim.state.faults.delayMs = [20, 200]
        return this.#later(3000, () => this.#quickDisk(victim))
      case 'slowLink':
        network.slow(this.#dice.pick(ids), this.#dice.pick(ids), 50)
        return this.#healLater()
      case 'lossBurst':
        network.faults.lossRate = 0.4
        return this.#later(1500, () => this.#calm())
      case 'diskFailure':
        victim.mayFail = true
        if (this.#dice.chance(0.7)) victim.log.faults.failNext = true
        else victim.state.faults.failNext = true
        return this.#later(4000, () => this.#crash(victim))
      case 'transfer': {
        const to = this.#dice.pick(ids)
        this.#cluster.note(`transfer to m${to}`)
        for (const member of up) {
          if (member.replica?.raftStatus().role !== 'leader') continue
          member.event((replica) => replica.transferLeadership(this.#dice.chance(0.5) ? to : null, () => {}))
        }
        return
      }
      case 'membership':
        return this.#changeMembership(victim)
      case 'wipe':
        return this.#wipe(victim, up)
    }
  }

  #crash(member: MemberProcess): void {
    member.crash()
    this.#later(this.#dice.pick([10, 500, 3000]), () => this.#cluster.startMember(member))
  }

  #cut(a: MemberId, b: MemberId): void {
    this.#cluster.network.cut(a, b)
    this.#cluster.network.cut(b, a)
  }

  #healLater(): void {
    this.#cluster.note('network damaged')
    this.#later(this.#dice.pick([300, 1500, 5000]), () => this.#calm())
  }

  #calm(): void {
    const { network, settings } = this.#cluster
    network.heal()
    network.faults.lossRate = this.#stopped ? 0 : settings.lossRate
    this.#cluster.note('network healed')
  }

  #quickDisk(member: MemberProcess): void {
    const { diskDelayMs, stateDelayMs } = this.#cluster.settings
    member.log.faults.delayMs = diskDelayMs
    member.log.faults.failNext = false
    member.state.faults.delayMs = stateDelayMs
    member.state.faults.failNext = false
    member.mayFail = false
  }

  #changeMembership(via: MemberProcess): void {
    const { voters, learners } = this.#cluster.confState
    const learner = learners[0]
    if (learner !== undefined && this.#dice.chance(0.7)) {
      const process = this.#cluster.member(learner)
      const isClose = process?.isUp === true && this.#cluster.lag(process) < 50
      const type = isClose ? ConfChange_Type.PROMOTE : ConfChange_Type.REMOVE
      if (isClose || this.#dice.chance(0.1)) this.#cluster.proposeChange(via, type, learner)
      return
    }
    if (learner === undefined && voters.length < membersMax && (voters.length < 3 || this.#dice.chance(0.5))) {
      const type = this.#dice.chance(0.9) ? ConfChange_Type.ADD_LEARNER : ConfChange_Type.ADD_VOTER
      return this.#cluster.proposeChange(via, type, this.#cluster.newMemberId())
    }
    if (voters.length > 1 && this.#cluster.everyVoterCounts())
      this.#cluster.proposeChange(via, ConfChange_Type.REMOVE, this.#dice.pick(voters))
  }

  /** Only while all is well: a wiped member may have been part of a quorum, and is missing from it now. */
  #wipe(victim: MemberProcess, up: readonly MemberProcess[]): void {
    const all = this.#cluster.activeMembers()
    if (!this.#cluster.network.isWhole || up.length < all.length || all.length < 3) return
    if (all.some((member) => member.isPaused || !this.#hasCaughtUp(member) || member.mayFail)) return
    // Who has caught up with nothing need not have heard of the term in which it voted, and would vote in it again.
    if (this.#cluster.reference.applied === 0) return
    victim.crash()
    victim.log.wipe()
    this.#cluster.resetState(victim, this.#dice.chance(0.5))
    victim.trace('wiped')
    this.#wiped = victim
    this.#later(500, () => this.#cluster.startMember(victim))
  }

  #hasCaughtUp(member: MemberProcess): boolean {
    return member.removed || (member.isUp && this.#cluster.lag(member) === 0)
  }
}
