import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noMember } from '../../../src/base/ids.ts'
import { EtcdError } from '../../../src/errors.ts'
import { HealthCounts } from '../../../src/http/health-counts.ts'
import { createPaths } from '../../../src/http/paths.ts'
import { FakeMember } from '../../support/fake-member.ts'

type Change = (member: FakeMember) => void
const leaderless: Change = (member) => {
  member.currentLeader = noMember
}
const noQuorum: Change = (member) => {
  member.barrierError = new EtcdError('timeout')
}
const unreadable: Change = (member) => {
  member.read = () => {
    throw new Error('broken')
  }
}
const learner: Change = (member) => {
  const { status } = member
  member.status = async () => ({ ...(await status.call(member)), isLearner: true })
}
const noQuorumLine = '[-]linearizable_read failed: etcdserver: request timed out\n'

for (const { request, change, status, body } of [
  { request: 'GET /health', status: 200, body: '{"health":"true"}' },
  { request: 'GET /health', change: leaderless, status: 503, body: '{"health":"false"}\n' },
  { request: 'GET /health', change: noQuorum, status: 503, body: '{"health":"false"}\n' },
  { request: 'GET /health?exclude=NOSPACE', status: 200, body: '{"health":"true"}' },
  { request: 'GET /health?serializable=true', change: leaderless, status: 200, body: '{"health":"true"}' },
  { request: 'GET /health?serializable=false', change: leaderless, status: 503, body: '{"health":"false"}\n' },
  { request: 'GET /health?serializable=true', change: unreadable, status: 503, body: '{"health":"false"}\n' },
  { request: 'HEAD /health', status: 405, body: 'Method Not Allowed\n' },
  { request: 'POST /health', status: 405, body: 'Method Not Allowed\n' },
  { request: 'GET /health/', status: 404, body: '404 page not found\n' },
  { request: 'GET /livez', change: noQuorum, status: 200, body: 'ok\n' },
  { request: 'GET /livez?verbose', status: 200, body: '[+]serializable_read ok\nok\n' },
  { request: 'GET /livez', change: unreadable, status: 503, body: '[-]serializable_read failed: broken\n\n' },
  { request: 'GET /livez/serializable_read', status: 200, body: 'ok\n' },
  { request: 'GET /livez/linearizable_read', status: 404, body: '404 page not found\n' },
  { request: 'GET /readyz', status: 200, body: 'ok\n' },
  {
    request: 'GET /readyz',
    change: noQuorum,
    status: 503,
    body: `[+]data_corruption ok\n[+]serializable_read ok\n${noQuorumLine}[+]non_learner ok\n\n`,
  },
  { request: 'GET /readyz?exclude=linearizable_read&exclude=nothing', change: noQuorum, status: 200, body: 'ok\n' },
  { request: 'GET /readyz/linearizable_read', change: noQuorum, status: 503, body: `${noQuorumLine}\n` },
  {
    request: 'GET /readyz/non_learner',
    change: learner,
    status: 503,
    body: '[-]non_learner failed: not supported for learner\n\n',
  },
  { request: 'PUT /readyz', status: 405, body: 'Method Not Allowed\n' },
  { request: 'GET /version', status: 200, body: '{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}' },
  { request: 'DELETE /version', status: 405, body: 'Method Not Allowed\n' },
  { request: 'GET /metrics', status: 200, body: 'some 1\n' },
  { request: 'HEAD /metrics', status: 200, body: 'some 1\n' },
  { request: 'POST /metrics', status: 405, body: 'Method Not Allowed\n' },
  ...['/', '', '/debug/pprof/', '/debug/vars', '/debug/requests', '/config/local/log', '/v2/keys', '/__proto__'].map(
    (path) => ({ request: `GET ${path}`, status: 404, body: '404 page not found\n' }),
  ),
] as readonly { request: string; change?: Change; status: number; body: string }[])
  test(`${request}${change === undefined ? '' : ` (${change.name})`}: ${status}`, async () => {
    const member = new FakeMember()
    // What stands for the state of FakeMember has no revision to read.
    member.read = () => 1 as never
    change?.(member)
    const paths = createPaths({
      member,
      metrics: async () => 'some 1\n',
      counts: new HealthCounts(),
      log: { warn: () => {} },
    })
    const [method = '', url = ''] = request.split(' ')
    const [path = '', query = ''] = url.split('?')
    const answer = await paths(method, path, new URLSearchParams(query))
    assert.deepEqual({ status: answer.status, body: answer.body }, { status, body })
    if (status === 405) assert.match(answer.headers.Allow ?? '', /^GET/)
  })

test('answers about health are counted, and a member without quorum answers within its time', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const member = new FakeMember()
  member.read = () => 1 as never
  const counts = new HealthCounts()
  const warnings: unknown[] = []
  const log = { warn: (_: string, fields: unknown) => warnings.push(fields) }
  const paths = createPaths({ member, metrics: async () => '', counts, log })
  const ask = () => paths('GET', '/health', new URLSearchParams())
  assert.equal((await ask()).status, 200)
  member.readBarrier = () => new Promise<never>(() => {})
  const asked = ask()
  t.mock.timers.tick(1000)
  assert.equal((await asked).status, 503)
  assert.deepEqual([counts.succeeded, counts.failed], [1, 1])
  assert.deepEqual(warnings, [{ reason: 'no answer within 1000 ms' }])
})
