/**
 * A member on the small disk under the folder for temporary files: fills that disk until the member has stopped, starts it
 * again, and prints why it stopped and whether it serves.
 */
import { openSync, readdirSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TestCluster } from './cluster.ts'
import { waitFor } from './wait-for.ts'

await using cluster = await TestCluster.start({ size: 1 })
const member = cluster.members[0]!
const walDir = join(member.dataDir, 'member', 'wal')
await waitFor('a segment of the log is prepared', () =>
  readdirSync(walDir).some((name) => name.endsWith('.tmp') && statSync(join(walDir, name)).size === 64 * 1024 * 1024),
)
await cluster.etcdctl.ok('put', 'before', 'kept')
const ballast = openSync(join(tmpdir(), 'ballast'), 'w')
try {
  for (;;) writeSync(ballast, new Uint8Array(4096))
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
}
while (member.isRunning) await cluster.etcdctl.run(['put', 'large', 'v'.repeat(100_000), '--command-timeout=2s'])
process.stdout.write(`${/no space left on [a-z ]+/.exec(member.log)?.[0]}\n`)
member.start()
await cluster.waitUntilServing()
process.stdout.write(await cluster.etcdctl.ok('get', 'before', '--print-value-only'))
await cluster.etcdctl.ok('put', 'after', 'room was made')
process.stdout.write(await cluster.etcdctl.ok('get', 'after', '--print-value-only'))
