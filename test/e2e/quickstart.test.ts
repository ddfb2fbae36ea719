import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { freePortsInRow } from '../support/ports.ts'
import { cleanEnvironment, leasehold, run } from '../support/run.ts'
import { waitFor } from '../support/wait-for.ts'

/** Of three members. */
const portsMax = 6

const scratch = mkdtempSync(join(tmpdir(), 'leasehold-quickstart-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

/** Processes whose command line names `dir`. */
async function processesOf(dir: string): Promise<string[]> {
  const { stdout } = await run('ps', ['-eo', 'pid=,args='])
  return stdout.split('\n').filter((line) => line.includes(`--data-dir=${dir}/`))
}

async function quickstart(dir: string, ...args: string[]) {
  return run(leasehold, ['quickstart', '--dir', dir, ...args], { cwd: scratch, timeoutMs: 90_000 })
}

test('--once runs a command against the cluster, passes its exit code on, and resumes with the data', async () => {
  const dir = join(scratch, 'once')
  const basePort = await freePortsInRow(portsMax)
  const first = await quickstart(
    dir,
    '--base-port',
    String(basePort),
    '--once',
    'etcdctl put greeting hello && etcdctl member list',
  )
  assert.equal(first.code, 0, first.stderr)
  const lines = first.stdout.trimEnd().split('\n')
  assert.equal(lines[0], 'OK')
  assert.equal(lines.length, 4, first.stdout)
  assert.match(first.stderr, /Starting a new cluster of 3/)
  assert.deepEqual(await processesOf(dir), [])

  const second = await quickstart(dir, '--once', 'etcdctl get greeting --print-value-only; exit 7')
  assert.equal(second.stdout, 'hello\n', second.stderr)
  assert.equal(second.code, 7)
  assert.match(second.stderr, /Resuming the cluster of 3/)

  const other = await quickstart(dir, '--members', '5')
  assert.equal(other.code, 1)
  assert.match(
    other.stderr,
    /^leasehold quickstart: --members 5: the cluster in .* was made with 3; use another --dir\n$/,
  )

  const server = createServer()
  await new Promise<void>((resolve) => server.listen(basePort, '127.0.0.1', resolve))
  try {
    const taken = await quickstart(dir)
    assert.equal(taken.code, 1)
    assert.match(taken.stderr, new RegExp(`^leasehold quickstart: port ${basePort} is in use[^\n]*\n$`))
  } finally {
    server.close()
  }

  writeFileSync(join(dir, 'quickstart.json'), '{"format":999}')
  const newer = await quickstart(dir)
  assert.equal(newer.code, 1)
  assert.match(newer.stderr, /was made by another version of leasehold[^\n]*\n$/)
})

/** A quickstart in the foreground, ready. */
async function foreground(dir: string, ...args: string[]): Promise<{ child: ChildProcess; output: () => string }> {
  const basePort = await freePortsInRow(portsMax)
  const child = spawn(leasehold, ['quickstart', '--dir', dir, '--base-port', String(basePort), ...args], {
    cwd: scratch,
    env: cleanEnvironment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk: Buffer) => (output += chunk))
  await waitFor('quickstart is ready', () => output.includes('Ctrl-C') || child.exitCode !== null, 60_000)
  assert.equal(child.exitCode, null, output)
  return { child, output: () => output }
}

const ended = (child: ChildProcess) =>
  waitFor('quickstart ends', () => child.exitCode !== null || child.signalCode !== null)

test('in the foreground it prints commands that work, reports a dead member, and stops everything on SIGTERM', async () => {
  const dir = join(scratch, 'foreground')
  const { child, output } = await foreground(dir)
  try {
    assert.match(output(), /MEMBER +ID +CLIENTS +PEERS +ROLE/)
    assert.equal(output().match(/ leader$/gm)?.length, 1)
    assert.equal(output().match(/ follower$/gm)?.length, 2)
    const commands = [...output().matchAll(/^ {2}(ETCDCTL_API=3 etcdctl .*)$/gm)].map(([, command]) => command!)
    const shell = (command: string) => run('sh', ['-c', command], { cwd: scratch })
    const paste = (what: string) => shell(commands.find((command) => command.endsWith(what))!)
    assert.equal((await paste('put greeting hello')).stdout, 'OK\n')
    assert.equal((await paste('get greeting')).stdout, 'greeting\nhello\n')
    assert.match((await paste('member list -w table')).stdout, /m3/)
    assert.equal((await processesOf(dir)).length, 3)

    const victim = (await processesOf(dir)).find((line) => line.includes('--name=m2'))!
    process.kill(Number.parseInt(victim, 10), 'SIGKILL')
    await waitFor('the death is reported', () => /Member m2 ended by SIGKILL; it is not restarted/.test(output()))
    assert.equal((await paste('get greeting')).stdout, 'greeting\nhello\n')
  } finally {
    child.kill('SIGTERM')
  }
  await ended(child)
  assert.equal(child.exitCode, 0, output())
  assert.deepEqual(await processesOf(dir), [])
})

test('its members do not outlive it, even if it is killed', async () => {
  const dir = join(scratch, 'killed')
  const { child } = await foreground(dir, '--members', '1')
  assert.equal((await processesOf(dir)).length, 1)
  child.kill('SIGKILL')
  await waitFor('no member is left', async () => (await processesOf(dir)).length === 0)
  assert.match(readFileSync(join(dir, 'logs', 'm1.log'), 'utf8'), /standard input was closed/)
})
