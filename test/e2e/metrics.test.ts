import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, renameSync } from 'node:fs'
import { connect } from 'node:http2'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Identity } from '../support/certificates.ts'
import { TestCluster } from '../support/cluster.ts'
import { ask, Scrape } from '../support/http1.ts'
import type { TestMember } from '../support/member.ts'
import { freePorts } from '../support/ports.ts'
import { leasehold, run } from '../support/run.ts'
import { waitFor } from '../support/wait-for.ts'

const handledPuts =
  'grpc_server_handled_total{grpc_code="OK",grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"}'
const counters = (scrape: Scrape): [string, number][] =>
  [...scrape.lines].filter(([line]) => scrape.types.get(line.replace(/\{.*/, '')) === 'counter')

async function pki(...args: string[]): Promise<void> {
  const { code, stderr } = await run(leasehold, ['pki', ...args])
  if (code !== 0) throw new Error(stderr)
}

describe('metrics and health of three members', () => {
  let cluster: TestCluster
  let identity: Identity
  const scrape = async (url: string): Promise<Scrape> => new Scrape((await ask(`${url}/metrics`, identity)).body)
  const put = (key: string): Promise<string> => cluster.etcdctl.ok('put', key, 'value')

  before(async () => {
    cluster = await TestCluster.start({ size: 3, flags: ['--metrics=extensive', '--serve-threads=2'] })
    identity = cluster.certificates.client
  })
  after(() => cluster?.[Symbol.asyncDispose]())

  test('the client port says how the member does', async () => {
    for (const { clientUrl } of cluster.members) {
      const { status, body, headers } = await ask(`${clientUrl}/health`, identity)
      assert.deepEqual({ status, body }, { status: 200, body: '{"health":"true"}' })
      assert.equal(headers['content-type'], 'text/plain; charset=utf-8')
      for (const path of ['livez', 'readyz']) assert.equal((await ask(`${clientUrl}/${path}`, identity)).body, 'ok\n')
      const version = await ask(`${clientUrl}/version`, identity)
      assert.deepEqual(Object.keys(JSON.parse(version.body)), ['etcdserver', 'etcdcluster'])
      assert.equal((await ask(`${clientUrl}/health`, identity, { method: 'POST' })).status, 405)
      assert.equal((await ask(`${clientUrl}/debug/pprof/`, identity)).status, 404)
    }
    await assert.rejects(ask(`${cluster.members[0]!.clientUrl}/health`, { caFile: identity.caFile }))
    await assert.rejects(ask(`${cluster.members[0]!.clientUrl}/health`, cluster.certificates.stranger))
  })

  // curl and Prometheus do so by themselves.
  test('the client port answers over HTTP/2, too, if that is what a client chooses', async () => {
    const { caFile, certFile, keyFile } = identity
    const [ca, cert, key] = [caFile, certFile!, keyFile!].map((path) => readFileSync(path))
    const session = connect(cluster.members[0]!.clientUrl, { ca, cert, key })
    const asked = (path: string, method = 'GET', more = {}): Promise<{ status: number; type: string; body: string }> =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ':path': path, ':method': method, ...more })
        let answer = { status: 0, type: '', body: '' }
        stream.setEncoding('utf8').on('data', (chunk: string) => {
          answer.body += chunk
        })
        stream.once('response', (fields) => {
          answer = { ...answer, status: fields[':status']!, type: fields['content-type'] ?? '' }
        })
        stream.once('end', () => resolve(answer)).once('error', reject)
      })
    try {
      const type = 'text/plain; charset=utf-8'
      assert.deepEqual(await asked('/health?serializable=true'), { status: 200, type, body: '{"health":"true"}' })
      const metrics = await asked('/metrics')
      assert.equal(metrics.type, 'text/plain; version=0.0.4; charset=utf-8')
      assert.equal(new Scrape(metrics.body).value('etcd_server_has_leader'), 1)
      assert.deepEqual({ ...(await asked('/metrics', 'HEAD')), type }, { status: 200, type, body: '' })
      assert.equal((await asked('/version', 'GET', { 'content-type': 'application/json' })).status, 200)
      assert.equal((await asked('/version', 'GET', { 'content-type': 'application/grpc' })).status, 405)
      assert.equal((await asked('/nothing')).status, 404)
      assert.equal((await asked('/health', 'DELETE')).status, 415)
      const all = await Promise.all(Array.from({ length: 600 }, () => asked('/version').catch(() => null)))
      assert.ok(all.filter((answer) => answer?.status === 200).length >= 500)
    } finally {
      session.close()
    }
  })

  test('every member shows the one leader, the same cluster, and its own certificates', async () => {
    const all = await Promise.all(cluster.members.map(({ clientUrl }) => scrape(clientUrl)))
    assert.equal(all.filter((each) => each.value('etcd_server_is_leader') === 1).length, 1)
    assert.equal(new Set(all.flatMap((each) => [...each.all('etcd_server_id').keys()])).size, 3)
    for (const each of all) {
      assert.equal(each.value('etcd_server_has_leader'), 1)
      assert.ok(each.value('etcd_server_leader_changes_seen_total') >= 1)
      assert.equal(each.all('etcd_network_active_peers').size, 2)
      const left = [...each.all('leasehold_tls_certificate_days_left')]
      assert.ok(left.length >= 4 && left.every(([line, days]) => days > 1 && !line.includes('/')), String(left))
      assert.ok(each.value('leasehold_tls_accepted_total{port="client"}') >= 1)
      assert.ok(each.value('leasehold_tls_refused_total{port="peer",reason="revoked"}') === 0)
    }
    const leader = all.find((each) => each.value('etcd_server_is_leader') === 1)!
    const trips = [...leader.all('etcd_network_peer_round_trip_time_seconds_count').values()]
    assert.ok(trips.length === 2 && trips.every((count) => count > 0), String(trips))
  })

  test('under load counters only rise, and what is counted is what was done', async () => {
    const [{ clientUrl }] = cluster.members as [TestMember]
    const client = cluster.at(cluster.members[0]!)
    const before = await scrape(clientUrl)
    let last = before
    let isDone = false
    const load = Promise.all(
      Array.from({ length: 4 }, async (_, writer) => {
        for (let i = 0; i < 15; i++) await client.ok('put', `load/${writer}/${i}`, 'value')
      }),
    ).finally(() => {
      isDone = true
    })
    while (!isDone) {
      const next = await scrape(clientUrl)
      for (const [line, value] of counters(last)) assert.ok(next.value(line) >= value, `${line} went back`)
      last = next
    }
    await load
    const rise = (after: Scrape, line: string): number => after.value(line) - before.value(line)
    // A text may be a moment old.
    const end = await waitFor('all puts are seen', async () => {
      const now = await scrape(clientUrl)
      return rise(now, handledPuts) >= 60 && now
    })
    assert.equal(rise(end, handledPuts), 60)
    assert.equal(rise(end, 'etcd_mvcc_put_total'), 60)
    assert.equal(rise(end, 'etcd_debugging_mvcc_keys_total'), 60)
    const seconds =
      'grpc_server_handling_seconds_count{grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"}'
    assert.equal(rise(end, seconds), 60)
    assert.ok(rise(end, 'etcd_disk_wal_fsync_duration_seconds_count') > 0)
    assert.ok(rise(end, 'etcd_network_client_grpc_received_bytes_total') > 60 * 10)
    assert.ok(rise(end, 'etcd_server_proposals_applied_total') >= 60)
    // A follower has applied them, too, though nobody asked it for them.
    const follower = await scrape(cluster.members[1]!.clientUrl)
    assert.ok(follower.value('etcd_mvcc_put_total') >= 60)
  })

  test('without a quorum a member is alive, not healthy, and still shows what it counts', async () => {
    const [first, second, third] = cluster.members as [TestMember, TestMember, TestMember]
    await Promise.all([second.kill(), third.kill()])
    const path = (name: string) => ask(`${first.clientUrl}/${name}`, identity)
    await waitFor('health turns', async () => (await path('health')).status === 503)
    const { body } = await path('health')
    assert.equal(body, '{"health":"false"}\n')
    assert.equal((await path('health?serializable=true')).status, 200)
    assert.equal((await path('livez')).status, 200)
    const ready = await path('readyz')
    assert.equal(ready.status, 503)
    assert.match(ready.body, /^\[\+\]serializable_read ok\n\[-\]linearizable_read failed: /m)
    const shown = await waitFor('the leader is gone from the metrics', async () => {
      const now = await scrape(first.clientUrl)
      return now.value('etcd_server_has_leader') === 0 && now
    })
    assert.ok(shown.value('etcd_server_health_failures') >= 2)
    assert.equal(shown.all('etcd_network_active_peers').size, 0)
    second.start()
    await waitFor('health turns back', async () => (await path('health')).status === 200)
    await put('after')
  })
})

test('a metrics listener over TLS lets in whom the client port lets in, and a revoked certificate no more', async () => {
  const [port] = await freePorts(1)
  await using files = await TestCluster.create({ size: 1 })
  const { certificates } = files
  const { client, clientAuthority } = certificates
  const crlFile = join(files.dir, 'clients.crl')
  const publish = async (): Promise<void> => {
    copyFileSync(join(clientAuthority, 'crl.pem'), `${crlFile}.new`)
    renameSync(`${crlFile}.new`, crlFile)
  }
  await pki('crl', '--dir', clientAuthority)
  await publish()
  const url = `https://127.0.0.1:${port}`
  await using cluster = await TestCluster.create({
    size: 1,
    certificates,
    flags: [`--listen-metrics-urls=${url}`, `--client-crl-file=${crlFile}`],
  })
  const [member] = cluster.members as [TestMember]
  member.start()
  await cluster.waitUntilServing()
  assert.equal((await ask(`${url}/health`, client)).status, 200)
  const scrape = new Scrape((await ask(`${url}/metrics`, client)).body)
  assert.equal(scrape.all('leasehold_tls_revocation_list_age_seconds').size, 1)
  assert.equal(scrape.all('grpc_server_handling_seconds_count').size, 0, 'only with --metrics=extensive')
  await assert.rejects(ask(`${url}/health`, { caFile: client.caFile }))
  await assert.rejects(ask(`${url}/health`, certificates.stranger))

  await pki('revoke', '--dir', clientAuthority, '--cert', client.certFile)
  await publish()
  await waitFor('the revoked certificate is refused', () =>
    ask(`${url}/health`, client).then(
      () => false,
      () => true,
    ),
  )
  await assert.rejects(ask(`${url}/metrics`, client))
  // Somebody who was not revoked sees that it was noticed.
  const out = join(files.dir, 'certs')
  await pki('issue', '--dir', clientAuthority, '--profile', 'client', '--name', 'watcher', '--out', out)
  const watcher = { ...client, certFile: join(out, 'watcher.crt'), keyFile: join(out, 'watcher.key') }
  const after = await waitFor('the refusal is counted', async () => {
    const now = new Scrape((await ask(`${url}/metrics`, watcher)).body)
    return now.value('leasehold_tls_refused_total{port="metrics",reason="revoked"}') > 0 && now
  })
  assert.ok(after.value('leasehold_tls_reloads_total{result="succeeded"}') >= 1)
  assert.ok(after.value('leasehold_tls_refused_total{port="metrics",reason="no_certificate"}') >= 1)
})

test('names and types are those of etcd, where a name is of etcd', async () => {
  const scrapeOf = async (program: 'etcd' | 'leasehold'): Promise<Scrape> => {
    await using cluster = await TestCluster.start({ size: 1, program, flags: ['--metrics=extensive'] })
    await cluster.etcdctl.ok('put', 'a', 'b')
    const { body } = await ask(`${cluster.members[0]!.clientUrl}/metrics`, cluster.certificates.client)
    return new Scrape(body)
  }
  const [theirs, ours] = [await scrapeOf('etcd'), await scrapeOf('leasehold')]
  const isTheirs = (name: string): boolean => /^(etcd|grpc|process)_/.test(name)
  /** Without members to talk to etcd shows none of the first kind; the others are prom-client's. */
  const isExtra = (name: string): boolean =>
    name.startsWith('etcd_network_') ||
    ['process_cpu_user_seconds_total', 'process_cpu_system_seconds_total', 'process_heap_bytes'].includes(name)
  for (const [name, type] of ours.types)
    if (isTheirs(name) && !isExtra(name)) assert.equal(theirs.types.get(name), type, name)
  /** With their order: scripts look for whole lines. */
  const labelsOf = (scrape: Scrape, name: string): Set<string> =>
    new Set([...scrape.all(name).keys()].map((line) => line.replace(/^\w+/, '')))
  const [wanted, got] = [labelsOf(theirs, 'grpc_server_handled_total'), labelsOf(ours, 'grpc_server_handled_total')]
  assert.deepEqual(
    [...wanted].filter((labels) => !got.has(labels)),
    [],
  )
  for (const name of [
    'etcd_disk_wal_fsync_duration_seconds_bucket',
    'etcd_disk_backend_commit_duration_seconds_bucket',
  ])
    assert.deepEqual([...ours.all(name).keys()], [...theirs.all(name).keys()])
})
