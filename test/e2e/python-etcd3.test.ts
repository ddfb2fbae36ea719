/** Debian's python3-etcd3, which is gRPC's C core under Python, against three members over mutual TLS. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { TestCluster } from '../support/cluster.ts'
import { run } from '../support/run.ts'

/** Debian's, whatever other Pythons there are. */
const python = '/usr/bin/python3'
const script = fileURLToPath(new URL('python-etcd3.py', import.meta.url))
const environment = { PYTHONDONTWRITEBYTECODE: '1', GRPC_VERBOSITY: 'ERROR' }

const listed = await run(python, [script, '--list'], { env: environment })
assert.equal(listed.code, 0, `python3-etcd3 is missing: ${listed.stderr}`)

describe('python3-etcd3', () => {
  let cluster: TestCluster

  before(async () => {
    cluster = await TestCluster.start({ size: 3 })
  })
  after(() => cluster?.[Symbol.asyncDispose]())

  for (const [index, name] of listed.stdout.trim().split('\n').entries())
    test(name.replaceAll('_', ' '), async () => {
      const { port } = new URL(cluster.members[index % 3]!.clientUrl)
      const { caFile, certFile, keyFile } = cluster.certificates.client
      const args = [script, name, port, caFile, certFile, keyFile]
      const { code, stderr } = await run(python, args, { env: environment, timeoutMs: 60_000 })
      assert.equal(code, 0, stderr)
    })
})
