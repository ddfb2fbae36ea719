import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memberId, noMember } from '../../../src/base/ids.ts'
import { silentLog } from '../../../src/base/log.ts'
import { LeaderChanges } from '../../../src/replica/leader-changes.ts'
import type { MemberInfo } from '../../../src/service/member.ts'

const [self, other] = [memberId(1n), memberId(2n)]
const electionTimeoutMs = 1000

function open() {
  const timers = new Map<() => void, number>()
  const lines: string[] = []
  const world = { now: 0, timers, lines }
  const clock = {
    nowMs: () => world.now,
    after(ms: number, callback: () => void) {
      timers.set(callback, ms)
      return { cancel: () => void timers.delete(callback) }
    },
    soon: () => assert.fail('nothing is put off'),
  }
  const log = { ...silentLog, info: (line: string) => void lines.push(line) }
  const info = { memberId: self, electionTimeoutMs } as MemberInfo
  return { world, changes: new LeaderChanges(info, clock, log) }
}

test('a leader that appears is logged and counted, and all who listen hear of leaders and terms', () => {
  const { world, changes } = open()
  const heard: string[] = []
  const stop = changes.listen((leader, term) => heard.push(`${leader}@${term}`))
  changes.tell(noMember, 1)
  changes.tell(other, 1)
  changes.tell(other, 2)
  changes.tell(noMember, 2)
  stop()
  changes.tell(self, 3)
  assert.deepEqual(heard, ['0@1', '2@1', '2@2', '0@2'])
  assert.deepEqual(world.lines, ['raft leader elected', 'lost leader', 'raft leader elected'])
  assert.equal(changes.count, 2)
})

for (const { name, happens, want } of [
  { name: 'another one leads', happens: [other], want: null },
  { name: 'there is none, then another one', happens: [noMember, other], want: null },
  { name: 'there is none, then this one again', happens: [noMember, self], want: 'timeoutLeaderFailure' },
  { name: 'nothing', happens: [], want: 'timeoutLeaderFailure' },
])
  test(`who waits for another leader: ${name}`, () => {
    const { world, changes } = open()
    changes.tell(self, 1)
    const answers: unknown[] = []
    changes.untilAnotherLeads((error) => answers.push(error && 'reason' in error ? error.reason : error))
    happens.forEach((leader, i) => void changes.tell(leader, i + 2))
    if (want !== null) {
      assert.deepEqual([answers, [...world.timers.values()]], [[], [electionTimeoutMs]])
      for (const callback of world.timers.keys()) callback()
    } else assert.equal(world.timers.size, 0)
    changes.tell(other, 9)
    assert.deepEqual(answers, [want])
  })

test('a write that met the end of a leader is told so, and without one it is only late', () => {
  const { world, changes } = open()
  const peers = { connectedMs: () => null }
  const reason = (startMs: number) => changes.timeoutReason(startMs, [self, other], peers)
  assert.equal(reason(0), 'timeout')
  world.now = 5000
  changes.tell(other, 2)
  assert.equal(reason(4000), 'timeoutLeaderFailure')
  assert.equal(reason(5000), 'timeoutConnectionLost')
})
