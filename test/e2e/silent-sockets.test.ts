import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { limits } from '../../src/base/limits.ts'
import { TestCluster } from '../support/cluster.ts'
import { cleanEnvironment } from '../support/run.ts'
import { waitFor } from '../support/wait-for.ts'

const count = 10_000
const script = fileURLToPath(new URL('../support/silent-sockets.ts', import.meta.url))

/** Resident memory of a process in MiB. */
const residentMib = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024

/** Opens `count` connections that say nothing, and tells how many are open still each time that changes. */
function silentSockets(port: number): { open: () => number; opened: () => boolean } & Disposable {
  const limit = 'ulimit -n "$(ulimit -Hn)"; exec "$0" "$@"'
  const child = spawn('sh', ['-c', limit, process.execPath, script, String(port), String(count)], {
    env: cleanEnvironment,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  const last = (): string[] => text.trim().split('\n').at(-1)!.split(' ')
  return {
    open: () => Number(last()[1] ?? 0),
    opened: () => Number(last()[0] ?? 0) === count,
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  }
}

for (const which of ['client', 'peer'] as const)
  test(`ten thousand silent connections to the ${which} port cost little, go away, and keep nobody out`, async () => {
    await using cluster = await TestCluster.start({ size: 1 })
    const member = cluster.members[0]!
    const url = which === 'client' ? member.clientUrl : member.peerUrl
    const before = residentMib(member.pid)
    using silent = silentSockets(Number(new URL(url).port))
    await waitFor('all are opened', silent.opened, 30_000)
    const startMs = performance.now()
    assert.equal(await cluster.etcdctl.ok('put', 'a', '1'), 'OK\n')
    assert.ok(performance.now() - startMs < 5000, 'a client is served meanwhile')
    const grown = residentMib(member.pid) - before
    await waitFor('those beyond the limit are gone', () => silent.open() <= 3 * limits.handshakesPerAddressMax, 15_000)
    await waitFor('all are gone', () => silent.open() === 0, limits.handshakeMsMax + 10_000)
    assert.ok(grown < 200, `${grown.toFixed(0)} MiB`)
    assert.equal(await cluster.etcdctl.ok('put', 'a', '2'), 'OK\n')
    // Nobody can fill the log by knocking.
    assert.ok(member.log.split('TLS handshake refused').length < 300)
  })
