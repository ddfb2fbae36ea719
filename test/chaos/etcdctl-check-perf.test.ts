import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestCluster } from '../support/cluster.ts'

test('etcdctl check perf: a minute of writes without an error', { timeout: 180_000 }, async () => {
  await using cluster = await TestCluster.start({ size: 1 })
  const { stdout, stderr } = await cluster.etcdctl.run(['check', 'perf', '--load=s'], { timeoutMs: 150_000 })
  // Whether single requests were slow is a matter of the machine that runs this.
  assert.match(stdout, /PASS: Throughput is \d+ writes\/s/, stdout + stderr)
  assert.doesNotMatch(stdout, /too many errors/)
  assert.equal(await cluster.etcdctl.ok('get', '/etcdctl-check-perf/', '--prefix', '--keys-only'), '')
})
