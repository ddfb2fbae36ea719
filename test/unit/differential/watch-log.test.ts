import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WatchResponse } from '../../../src/wire/gen/rpc.ts'
import type { RpcStream } from '../../differential/rpc-client.ts'
import { WatchLog } from '../../differential/watch-log.ts'
import { bytes } from '../../support/commands.ts'

const response = (fields: Partial<WatchResponse>): Uint8Array =>
  WatchResponse.encode({
    ...{ header: { cluster_id: 1n, member_id: 1n, revision: 9n, raft_term: 1n }, watch_id: 0n },
    ...{ created: false, canceled: false, compact_revision: 0n, cancel_reason: '', fragment: false, events: [] },
    ...fields,
  }).finish()

const created = response({ created: true })
const put = (revision: bigint) => ({
  type: 0 as const,
  kv: {
    ...{ key: bytes('a'), value: bytes(''), create_revision: revision, version: 1n, lease: 0n },
    mod_revision: revision,
  },
  prev_kv: undefined,
})
const events = (revisions: readonly bigint[], fields: Partial<WatchResponse> = {}): Uint8Array =>
  response({ events: revisions.map(put), ...fields })

for (const { name, received, broken } of [
  { name: 'events of ascending revisions', received: [created, events([2n, 2n]), events([3n])], broken: [] },
  {
    name: 'a revision in fragments',
    received: [created, events([2n, 3n], { fragment: true }), events([3n])],
    broken: [],
  },
  { name: 'a revision in two responses', received: [created, events([2n]), events([2n])], broken: [/two responses/] },
  { name: 'an event again', received: [created, events([3n]), events([2n])], broken: [/goes back/] },
  { name: 'events above the header', received: [created, events([10n])], broken: [/above its header/] },
  { name: 'events before the watch', received: [events([2n])], broken: [/not created/] },
]) {
  test(`${name}: ${broken.length === 0 ? 'as it should be' : 'noticed'}`, () => {
    const log = new WatchLog({ received } as unknown as RpcStream, (id) => id)
    log.read()
    assert.equal(log.broken.length, broken.length, log.broken.join())
    for (const [index, pattern] of broken.entries()) assert.match(log.broken[index]!, pattern)
  })
}
