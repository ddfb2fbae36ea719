/** What etcdctl shows of members, in each of its output forms; and its load test. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Both } from '../support/both.ts'
import { waitFor } from '../support/wait-for.ts'

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
      const nowhere = ['--endpoints=https://127.0.0.1:1', '--command-timeout=3s']
      const { code, stdout, stderr } = await etcdctl.run(['endpoint', 'health', ...nowhere])
      return {
        code,
        last: shape(stdout + stderr)
          .split('\n')
          .at(-2),
      }
    })
    assert.deepEqual(ours, etcd)
  })

  // It takes a minute to its end, which test/chaos waits for.
  test('check perf begins its load', async () => {
    const { etcdctl } = both.ours
    const running = etcdctl.start('check', 'perf', '--load=s')
    try {
      await waitFor('its keys are there', async () => {
        const keys = await etcdctl.ok('get', '/etcdctl-check-perf/', '--prefix', '--keys-only', '--limit=50')
        return keys.split('\n').filter((line) => line !== '').length === 50
      })
      assert.doesNotMatch(running.output, /FAIL|error/i)
    } finally {
      await running.stop()
    }
  })
})
