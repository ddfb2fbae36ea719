/**
 * The same etcdctl commands, one after the other, to a fresh leasehold and to a fresh etcd 3.4, over mutual TLS with the
 * same certificates: exit code, output and errors must be the same.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { TestCluster } from '../support/cluster.ts'
import type { Etcdctl } from '../support/etcdctl.ts'
import type { RunOptions } from '../support/run.ts'

/** A command line in words, or one with input. Words may hold spaces and escapes such as \x00. */
type Step = readonly string[] | { readonly args: readonly string[]; readonly input: string }

interface Script {
  readonly name: string
  readonly steps: readonly Step[]
}

const txn = (...lines: string[]): Step => ({ args: ['txn'], input: `${lines.join('\n')}\n` })
const nul = String.fromCharCode(0)

const scripts: readonly Script[] = [
  {
    name: 'put, get and del with their flags',
    steps: [
      ['get', 'nosuch'],
      ['put', 'a', '1'],
      ['put', 'a', '2', '--prev-kv'],
      ['get', 'a', '-w', 'json'],
      ['get', 'a', '-w', 'fields'],
      ['get', 'a', '--print-value-only'],
      ['get', 'a', '--hex'],
      ['put', 'ab', 'x'],
      ['put', 'abc', 'y'],
      ['put', 'b', 'z'],
      ['get', 'a', 'b'],
      ['get', 'a', '--prefix'],
      ['get', '', '--prefix', '--keys-only'],
      ['get', 'ab', '--from-key'],
      ['get', 'a', '--prefix', '--limit=1', '-w', 'json'],
      ['get', 'a', '--prefix', '--count-only', '-w', 'json'],
      ['get', 'b', 'a'],
      ['get', 'a', '--consistency=s'],
      ['del', 'nosuch'],
      ['del', 'nosuch', '-w', 'json'],
      ['del', 'ab', '--prev-kv'],
      ['del', 'a', '--prefix', '--prev-kv'],
      ['get', 'a', '--prefix'],
      ['put', 'a', 'again', '-w', 'json'],
      ['get', 'a', '-w', 'json'],
      ['del', '', '--prefix', '-w', 'json'],
      ['del', '', '--from-key', '-w', 'json'],
    ],
  },
  {
    name: 'ignore-value and ignore-lease',
    steps: [
      ['put', 'iv', '--ignore-value'],
      ['put', 'iv', 'x'],
      ['put', 'iv', '--ignore-value', '-w', 'json'],
      ['put', 'iv', 'y', '--ignore-lease'],
      ['put', 'nosuch', 'y', '--ignore-lease'],
      ['put', 'iv', 'y', '--lease=1', '--ignore-lease'],
      ['put', 'iv', 'y', '--ignore-value'],
      ['get', 'iv', '-w', 'json'],
    ],
  },
  {
    name: 'sorting and reading the past',
    steps: [
      ['put', 's/b', '3'],
      ['put', 's/a', '1'],
      ['put', 's/c', '2'],
      ['put', 's/a', '9'],
      ...['KEY', 'VERSION', 'CREATE', 'MODIFY', 'VALUE'].flatMap((target) => [
        ['get', 's/', '--prefix', `--sort-by=${target}`],
        ['get', 's/', '--prefix', `--sort-by=${target}`, '--order=DESCEND'],
        ['get', 's/', '--prefix', `--sort-by=${target}`, '--order=DESCEND', '--limit=2', '-w', 'json'],
      ]),
      ['get', 's/', '--prefix', '--rev=2'],
      ['get', 's/', '--prefix', '--rev=4', '-w', 'json'],
      ['get', 's/a', '--rev=999999'],
      ['get', 's/a', '--rev=-1'],
    ],
  },
  {
    name: 'transactions',
    steps: [
      txn('mod("t") = "0"', '', 'put t 1', 'get t', '', 'get t', ''),
      txn('mod("t") = "0"', '', 'put t 1', '', 'get t', ''),
      txn('value("t") = "1"', 'version("t") > "0"', 'create("t") < "100"', '', 'put t 2', 'del t', 'get t', '', ''),
      txn('value("nosuch") != "x"', '', 'put t 3', '', 'put t 4', 'put u 5', ''),
      txn('version("nosuch") = "0"', '', 'get t', 'get u', '', ''),
      txn('', 'put same 1', 'put same 2', '', ''),
      txn('', 'put same 1', 'del same', '', ''),
      txn('', 'del nosuch', '', ''),
      { args: ['txn', '-w', 'json'], input: 'value("t") = "4"\n\nput t 5\nput v 6\nget t --prefix\n\n\n' },
      ['get', '', '--prefix', '-w', 'json'],
    ],
  },
  {
    name: 'too many operations in a transaction',
    steps: [
      txn('', ...Array.from({ length: 128 }, (_, n) => `put many${n} x`), '', ''),
      txn('', ...Array.from({ length: 129 }, (_, n) => `put many${n} x`), '', ''),
      ['get', 'many', '--prefix', '--count-only', '-w', 'json'],
    ],
  },
  {
    name: 'compaction',
    steps: [
      ['put', 'c', '1'],
      ['put', 'c', '2'],
      ['put', 'd', '1'],
      ['del', 'd'],
      ['compaction', '3'],
      ['get', 'c', '--rev=2'],
      ['get', 'c', '--rev=3'],
      ['compaction', '3'],
      ['compaction', '2'],
      ['compaction', '99999'],
      ['compaction', '5', '--physical'],
      ['get', '', '--prefix', '--rev=5'],
      ['watch', 'c', '--rev=2'],
    ],
  },
  {
    name: 'odd keys and values',
    steps: [
      ['put', '', 'x'],
      ['get', 'ключ'],
      ['put', 'ключ', 'значение'],
      ['get', 'ключ', '--hex'],
      ['get', '--', '-x'],
      ['put', '--', '-x', 'dash'],
      { args: ['put', 'bin'], input: `a${nul}b\u007f\u0080` },
      ['get', 'bin', '-w', 'json'],
      ['get', 'bin', '--hex'],
      ['put', 'k'.repeat(1500), 'long'],
      ['put', 'k'.repeat(5000), 'longer'],
      ['put', `${'k'.repeat(4999)}a`, 'first'],
      ['get', 'k', '--prefix', '-w', 'json'],
      ['get', 'k'.repeat(1501), `${'k'.repeat(4999)}z`, '--order=DESCEND', '--sort-by=KEY', '-w', 'json'],
      ['del', 'k'.repeat(5000), '--prev-kv'],
      { args: ['put', 'big'], input: 'v'.repeat(1_000_000) },
      ['get', 'big', '--keys-only', '-w', 'json'],
      { args: ['put', 'toobig'], input: 'v'.repeat(1_572_864) },
      ['get', 'toobig'],
    ],
  },
  {
    // grpc-go measures the link with pings while a large answer comes in.
    name: 'answers of several megabytes',
    steps: [
      ...['1', '2', '3', '4', '5', '6'].map((n) => ({ args: ['put', `large/${n}`], input: n.repeat(1_000_000) })),
      ['get', 'large/', '--prefix'],
      ['get', 'large/', '--prefix', '-w', 'json'],
    ],
  },
  {
    name: 'leases',
    steps: [
      ['lease', 'grant', '9000000001'],
      ['lease', 'revoke', '1234'],
      ['lease', 'timetolive', '1234'],
      ['lease', 'keep-alive', '--once', '1234'],
      ['lease', 'list'],
      ['put', 'leased', 'x', '--lease=1234'],
      ['get', 'leased'],
    ],
  },
  {
    name: 'what is not there and what is wrong',
    steps: [
      ['get'],
      ['put', 'x'],
      ['compaction', 'x'],
      ['watch', '--rev=1'],
      ['endpoint', 'health'],
      ['alarm', 'list'],
    ],
  },
]

/** The same but for what is different between any two clusters. */
function normalized(text: string): string {
  return text
    .replaceAll(/"(cluster_id|member_id|raft_term)":\d+/g, '"$1":0')
    .replaceAll(/"(ClusterID|MemberID|RaftTerm)" : \d+/g, '"$1" : 0')
    .replaceAll(/https:\/\/127\.0\.0\.1:\d+/g, 'https://ENDPOINT')
    .replaceAll(/took = [\d.]+[mµn]?s/g, 'took = TIME')
    .replaceAll(/\{"level":"warn","ts":"[^"]*"(.*)"target":"[^"]*"/g, '{"level":"warn"$1"target":""')
}

/** Enough for a message about a difference, and a digest of the rest. */
function shortened(text: string): string {
  if (text.length < 5000) return text
  return `${text.slice(0, 2000)}... ${text.length} characters, ${createHash('sha256').update(text).digest('hex')}`
}

async function transcript(etcdctl: Etcdctl, steps: readonly Step[]): Promise<string[]> {
  const results: string[] = []
  for (const step of steps) {
    const [args, options]: [readonly string[], RunOptions] =
      'input' in step ? [step.args, { input: step.input }] : [step, {}]
    const { code, stdout, stderr } = await etcdctl.run(args, options)
    const shown = `etcdctl ${args.join(' ').slice(0, 200)}`
    results.push(shortened(normalized(`${shown}\nexit ${code}\n${stdout}${stderr}`)))
  }
  return results
}

describe('etcdctl cannot tell leasehold from etcd', () => {
  let ours: TestCluster
  let etcd: TestCluster

  before(async () => {
    ours = await TestCluster.start({ size: 1 })
    etcd = await TestCluster.start({ size: 1, program: 'etcd', certificates: ours.certificates })
  })
  after(async () => {
    await ours?.[Symbol.asyncDispose]()
    await etcd?.[Symbol.asyncDispose]()
  })

  for (const { name, steps } of scripts)
    test(name, async () => {
      const [actual, expected] = await Promise.all([transcript(ours.etcdctl, steps), transcript(etcd.etcdctl, steps)])
      for (const [index, want] of expected.entries()) assert.equal(actual[index], want)
    })
})
