import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConfChange } from '../../../src/raft/index.ts'
import { FuzzCluster } from './fuzz-cluster.ts'

const firstSeed = Number(process.env.SEED ?? 1)
const seeds = process.env.SEED ? 1 : Number(process.env.SEEDS ?? 150)
const steps = 4000

type Cluster = FuzzCluster

function pick<T>(cluster: Cluster, from: readonly T[]): T {
  return from[cluster.random.below(from.length)]!
}

function randomStep(cluster: Cluster, changes: boolean): void {
  const { random } = cluster
  const member = pick(cluster, cluster.members)
  const dice = random.below(1000)
  if (member.raft === null) {
    if (dice < 30) cluster.start(member)
    return
  }
  if (dice < 400) deliverOne(cluster)
  else if (dice < 560) cluster.takeReady(member)
  else if (dice < 680) cluster.completeWrite(member)
  else if (dice < 790) cluster.input(member, { kind: 'tick' })
  else if (dice < 850) cluster.apply(member, 1 + random.below(5))
  else if (dice < 895) cluster.propose(cluster.leader() ?? member, 1 + random.below(4))
  else if (dice < 925) cluster.read(member)
  else if (dice < 930) cluster.input(member, { kind: 'unreachable', to: pick(cluster, cluster.members).id })
  else if (dice < 950) cluster.compact(member, member.disk.applied - random.below(4))
  else if (dice < 953) cluster.crash(member)
  else if (dice < 958) for (const each of cluster.members) each.partition = random.below(2)
  else if (dice < 972) for (const each of cluster.members) each.partition = 0
  else if (dice < 977) {
    cluster.input(cluster.leader() ?? member, { kind: 'transferLeader', to: pick(cluster, cluster.members).id })
  } else if (changes) cluster.proposeChange(cluster.leader() ?? member, randomChange(cluster))
}

function deliverOne(cluster: Cluster): void {
  const { random, messages } = cluster
  if (messages.length === 0) return
  // Mostly in order, sometimes not, sometimes twice, sometimes never.
  const at = random.below(4) === 0 ? random.below(messages.length) : 0
  const message = messages[at]!
  if (random.below(20) !== 0) messages.splice(at, 1)
  if (random.below(15) === 0) cluster.lose(message)
  else cluster.deliver(message)
}

function randomChange(cluster: Cluster): ConfChange {
  const kind = pick(cluster, ['addVoter', 'addLearner', 'promote', 'remove'] as const)
  return { kind, member: pick(cluster, cluster.members).id }
}

/** With everything up and connected, a proposal must reach every member. */
function settle(cluster: Cluster): void {
  for (const member of cluster.members) {
    member.partition = 0
    if (member.raft === null) cluster.start(member)
  }
  const goal = cluster.committedCount + 1
  for (let round = 0; round < 400; round++) {
    for (const member of cluster.members) cluster.input(member, { kind: 'tick' })
    drain(cluster)
    const leader = cluster.leader()
    if (leader === undefined) continue
    const { voters, learners } = leader.raft!.conf
    const present = cluster.members.filter(({ id }) => voters.includes(id) || learners.includes(id))
    if (cluster.committedCount >= goal && present.every(({ disk }) => disk.applied >= goal)) return
    cluster.propose(leader, 1)
    drain(cluster)
  }
  assert.fail(`no progress after everything healed:\n${cluster.status()}`)
}

function drain(cluster: Cluster): void {
  for (let busy = true; busy; ) {
    busy = false
    for (const member of cluster.members) {
      while (cluster.takeReady(member)) busy = true
      while (cluster.completeWrite(member)) busy = true
      while (cluster.apply(member, 100)) busy = true
    }
    const batch = cluster.messages
    cluster.messages = []
    for (const message of batch) {
      busy = true
      cluster.deliver(message)
    }
  }
}

for (const { name, size, voters, changes } of [
  { name: 'three voters', size: 3, voters: 3, changes: false },
  { name: 'five voters', size: 5, voters: 5, changes: false },
  { name: 'changing membership', size: 6, voters: 3, changes: true },
  { name: 'growing from one', size: 5, voters: 1, changes: true },
]) {
  test(`what Raft promises holds whatever the network, disks and crashes do: ${name}`, () => {
    let committed = 0
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      const cluster = new FuzzCluster(seed, size, voters)
      try {
        for (let i = 0; i < steps; i++) randomStep(cluster, changes)
        settle(cluster)
      } catch (error) {
        throw new Error(`SEED=${seed}: ${error instanceof Error ? error.message : error}`, { cause: error })
      }
      committed += cluster.committedCount
    }
    // The walk must get somewhere, or it checks nothing.
    assert(committed > seeds * 10, `only ${committed} entries were committed in ${seeds} runs`)
  })
}
