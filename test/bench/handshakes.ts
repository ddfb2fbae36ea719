/**
 * Full TLS 1.2 handshakes with client certificates, one connection after another from several processes of `openssl s_time`:
 * how many a second a member takes, and what each costs it, beside etcd with the same certificates.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeCertificates, type TestCertificates } from '../support/certificates.ts'
import { TestCluster } from '../support/cluster.ts'
import { run as runProgram } from '../support/run.ts'

/** Of a clock tick: the system's unit, a hundredth of a second everywhere. */
const msPerTick = 10

/** Processor time that a process has used, all threads. */
function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * msPerTick
}

interface Figures {
  readonly perSecond: number
  readonly msEach: number
}

/** @throws if a client could not connect. */
async function handshakes(url: URL, certificates: TestCertificates, clients: number, seconds: number): Promise<number> {
  const { caFile, certFile, keyFile } = certificates.client
  // Of version 1.2: with 1.3 a client is done, and gone, before the server has looked at its certificate.
  const args = ['s_time', '-tls1_2', '-connect', `127.0.0.1:${url.port}`, '-new', '-time', String(seconds)]
  const identity = ['-CAfile', caFile, '-cert', certFile, '-key', keyFile]
  const counts = await Promise.all(
    Array.from({ length: clients }, async () => {
      const { code, stdout, stderr } = await runProgram('openssl', [...args, ...identity], {
        timeoutMs: (seconds + 20) * 1000,
      })
      const count = Number(/(\d+) connections in \d+ real seconds/.exec(stdout)?.[1] ?? 0)
      if (code !== 0 || count === 0) throw new Error(`openssl s_time: ${stderr || stdout}`)
      return count
    }),
  )
  return counts.reduce((a, b) => a + b)
}

async function measure(
  program: 'leasehold' | 'etcd',
  certificates: TestCertificates,
  { clients, seconds, threads }: { clients: number; seconds: number; threads: string | undefined },
): Promise<Figures> {
  const flags = program === 'leasehold' && threads !== undefined ? [`--serve-threads=${threads}`] : []
  await using cluster = await TestCluster.start({ size: 1, program, certificates, flags })
  const member = cluster.members[0]!
  const url = new URL(member.clientUrl)
  // Code is compiled as it is used.
  await handshakes(url, certificates, clients, 2)
  const usedMs = processorMs(member.pid)
  const startMs = performance.now()
  const count = await handshakes(url, certificates, clients, seconds)
  const tookMs = performance.now() - startMs
  const msEach = (processorMs(member.pid) - usedMs) / count
  if (/TLS handshake refused|rejected connection/.test(member.log)) throw new Error(`refused: ${member.logTail(3)}`)
  return { perSecond: (count * 1000) / tookMs, msEach }
}

/** @param args --clients, --seconds, --threads (of leasehold), --rounds. */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      clients: { type: 'string', default: '2' },
      seconds: { type: 'string', default: '5' },
      rounds: { type: 'string', default: '2' },
      threads: { type: 'string' },
    },
  })
  const plan = { clients: Number(values.clients), seconds: Number(values.seconds), threads: values.threads }
  const dir = mkdtempSync(join(tmpdir(), 'leasehold-handshakes-'))
  try {
    const certificates = makeCertificates(dir)
    for (let round = 1; round <= Number(values.rounds); round++)
      for (const program of ['leasehold', 'etcd'] as const) {
        const { perSecond, msEach } = await measure(program, certificates, plan)
        process.stdout.write(
          `${program.padEnd(9)} ${perSecond.toFixed(0).padStart(5)} handshakes/s, ${msEach.toFixed(2)} ms of processor each\n`,
        )
      }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
