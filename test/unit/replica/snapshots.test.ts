import assert from 'node:assert/strict'
import test from 'node:test'
import { memberId } from '../../../src/base/ids.ts'
import { silentLog } from '../../../src/base/log.ts'
import { type Message, MessageKind } from '../../../src/raft/types.ts'
import type { Done, Peers, StateStore } from '../../../src/replica/ports.ts'
import { Snapshots } from '../../../src/replica/snapshots.ts'

const to = memberId(2n)
const wanted: Message = { kind: MessageKind.Snapshot, from: memberId(1n), to, term: 1 }

function open() {
  const transfers: Done[] = []
  const timers: { readonly ms: number; readonly callback: () => void }[] = []
  const reports: boolean[] = []
  const meta = { index: 9, term: 1, confState: { voters: [], learners: [] } }
  const state = { openSnapshot: () => ({ read: () => meta, next: () => null, close: () => {} }) }
  const peers = { sendSnapshot: (_message: Message, _source: unknown, done: Done) => transfers.push(done) }
  const snapshots = new Snapshots(
    {
      state: state as unknown as StateStore,
      peers: peers as unknown as Peers,
      clock: {
        nowMs: () => 0,
        after: (ms, callback) => {
          timers.push({ ms, callback })
          return { cancel: () => assert.fail('nothing is cancelled') }
        },
        soon: () => assert.fail('nothing is put off'),
      },
      report: silentLog,
    },
    { reported: (_to, ok) => reports.push(ok) },
  )
  return { snapshots, transfers, timers, reports }
}

test('a snapshot that a member could not take is offered again only after a pause', () => {
  const { snapshots, transfers, timers, reports } = open()
  snapshots.send(wanted)
  transfers[0]!(new Error('no space'))
  assert.deepEqual(reports, [], 'raft would offer it again at once')
  snapshots.send(wanted)
  assert.equal(transfers.length, 1)
  assert.equal(timers[0]!.ms, 1000)
  timers[0]!.callback()
  assert.deepEqual(reports, [false])
  snapshots.send(wanted)
  assert.equal(transfers.length, 2)
})

test('a snapshot that has arrived is reported at once', () => {
  const { snapshots, transfers, reports } = open()
  snapshots.send(wanted)
  transfers[0]!()
  assert.deepEqual(reports, [true])
})
