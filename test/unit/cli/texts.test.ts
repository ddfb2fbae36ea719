import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { etcdctlEnvironment, etcdctlExamples, memberTable } from '../../../src/cli/connection-help.ts'
import { failureLine } from '../../../src/cli/failure.ts'
import { lastLogLine } from '../../../src/cli/member-process.ts'

const scratch = mkdtempSync(join(tmpdir(), 'leasehold-texts-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

const members = ['m1', 'm2'].map((name, index) => ({
  name,
  clientUrl: `https://127.0.0.1:${23790 + 2 * index}`,
  peerUrl: `https://127.0.0.1:${23791 + 2 * index}`,
  dataDir: `/q/data/${name}`,
  logFile: `/q/logs/${name}.log`,
}))
const files = { caFile: "/it's here/ca.crt", certFile: '/q/client.crt', keyFile: '/q/client.key' }

test('the member table lines up', () => {
  const probed = [
    { id: 'abc', version: '3.4.23', isLeader: false },
    { id: 'abcdef', version: '3.4.23', isLeader: true },
  ]
  assert.equal(
    memberTable(members, probed),
    '  MEMBER  ID      CLIENTS                  PEERS                    ROLE\n' +
      '  m1      abc     https://127.0.0.1:23790  https://127.0.0.1:23791  follower\n' +
      '  m2      abcdef  https://127.0.0.1:23792  https://127.0.0.1:23793  leader\n',
  )
})

test('examples use short paths where there are, and quote what a shell would split', () => {
  const [first] = etcdctlExamples(members, files, '/q').split('\n')
  assert.equal(
    first,
    '  ETCDCTL_API=3 etcdctl --endpoints 127.0.0.1:23790,127.0.0.1:23792' +
      ` --cacert '/it'\\''s here/ca.crt' --cert client.crt --key client.key put greeting hello`,
  )
})

test('the environment of --once names endpoints and files', () => {
  assert.deepEqual(etcdctlEnvironment(members, files), {
    ETCDCTL_API: '3',
    ETCDCTL_ENDPOINTS: 'https://127.0.0.1:23790,https://127.0.0.1:23792',
    ETCDCTL_CACERT: files.caFile,
    ETCDCTL_CERT: files.certFile,
    ETCDCTL_KEY: files.keyFile,
  })
})

for (const { name, text, want } of [
  { name: 'a log line', text: '{"msg":"first"}\n{"level":"fatal","msg":"last"}\n', want: 'last' },
  { name: 'a refusal', text: '{"msg":"first"}\nleasehold serve: no\n', want: 'leasehold serve: no' },
  { name: 'JSON without a message', text: '7\n', want: '7' },
  { name: 'nothing', text: '', want: '' },
])
  test(`the last line of a log: ${name}`, () => {
    const file = join(scratch, 'log')
    writeFileSync(file, text)
    assert.equal(lastLogLine(file), want)
  })

test('a failure is one line', () => {
  assert.equal(failureLine('serve', new Error('a\nb')), 'leasehold serve: a\n')
  assert.equal(failureLine('serve', 'odd'), 'leasehold serve: odd\n')
})
