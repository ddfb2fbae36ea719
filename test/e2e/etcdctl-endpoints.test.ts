/** What etcdctl shows of members, in each of its output forms; and its load test. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Both } from '../support/both.ts'

/** Numbers and ids differ between any two clusters, and columns are as wide as these. */
const shape = (text: string): string =>
  text
    .replaceAll(/https:\/\/127\.0\.0\.1:\d+/g, 'ENDPOINT')
    .replaceAll(/\d+(\.\d+)?(ms|µs|s)/g, 'TIME')
    .replaceAll(/[0-9a-f]{14,16}/g, 'ID')
    .replaceAll(/\d+(\.\d+)* ?(kB|MB)?/g, 'N')
    .replaceAll(/,"(raftUsedDbSize|dbSizeInUse)":N/g, '')
    .replaceAll(/-+/g, '-')
    .replaceAll(/ +/g, ' ')

const forms = ['simple', 'table', 'json', 'fields'] as const

describe('etcdctl about members', () => {
  const both = Both.forThisSuite(1)

  for (const command of [
    ['endpoint', 'status'],
    ['endpoint', 'status', '--cluster'],
    ['endpoint', 'health'],
    ['endpoint', 'health', '--cluster'],
    ['member', 'list'],
  ])
    test(command.join(' '), async () => {
      const { ours, etcd } = await both.run(async ({ etcdctl }) => {
        const shown: string[] = []
        for (const form of forms) {
          const { code, stdout, stderr } = await etcdctl.run([...command, '-w', form])
          shown.push(shape(`${form}: exit ${code}\n${stdout}${stderr}`))
        }
        return shown
      })
      assert.deepEqual(ours, etcd)
    })

  test('endpoint health of a member that is not there', async () => {
    const { ours, etcd } = await both.run(async ({ etcdctl }) => {
      const { code, stdout, stderr } = await etcdctl.run(['endpoint', 'health', '--endpoints=https://127.0.0.1:1'])
      return {
        code,
        last: shape(stdout + stderr)
          .split('\n')
          .at(-2),
      }
    })
    assert.deepEqual(ours, etcd)
  })

  test('check perf runs to its end without an error', { timeout: 120_000 }, async () => {
    const { stdout, stderr } = await both.ours.etcdctl.run(['check', 'perf', '--load=s'], { timeoutMs: 100_000 })
    // Whether single requests were slow is a matter of the machine that runs this.
    assert.match(stdout, /PASS: Throughput is \d+ writes\/s/, stdout + stderr)
    assert.doesNotMatch(stdout, /too many errors/)
    assert.equal(await both.ours.etcdctl.ok('get', '/etcdctl-check-perf/', '--prefix', '--keys-only'), '')
  })
})
