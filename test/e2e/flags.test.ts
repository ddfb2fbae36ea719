import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { leasehold, run } from '../support/run.ts'

const scratch = mkdtempSync(join(tmpdir(), 'leasehold-flags-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

const file = (name: string, text: string): string => {
  const path = join(scratch, name)
  writeFileSync(path, text)
  return path
}

const folder = (name: string, mode: number): string => {
  const path = join(scratch, name)
  mkdirSync(path)
  writeFileSync(join(path, 'content'), '')
  chmodSync(path, mode)
  return path
}

for (const { args, env = {}, reason } of [
  { args: ['--nmae=a'], reason: 'unknown flag --nmae' },
  { args: ['stray'], reason: '"stray" is not a flag' },
  { args: ['--name'], reason: '--name: needs a value' },
  {
    args: ['--auto-tls'],
    reason: '--listen-client-urls: http://localhost:2379 would be plaintext although --auto-tls is set; use https',
  },
  { args: ['--peer-crl-file', 'x'], reason: '--peer-crl-file: needs --peer-trusted-ca-file' },
  { args: [], env: { ETCD_ENABLE_V2: 'true' }, reason: 'flag --enable-v2 is not supported yet' },
  {
    args: ['--election-timeout=100'],
    reason: '--election-timeout: 100 ms is less than 5 times --heartbeat-interval (100 ms)',
  },
  { args: [], env: { LEASEHOLD_SNAPSHOT_COUNT: '-1' }, reason: '--snapshot-count: -1 is not between 1 and 1000000000' },
  {
    args: ['--listen-client-urls=http://0.0.0.0:2379', '--advertise-client-urls=http://127.0.0.1:2379'],
    reason:
      '--listen-client-urls: http://0.0.0.0:2379 would be plaintext beyond this machine; use https, or allow it with --insecure',
  },
  {
    args: ['--initial-cluster=x=http://localhost:2380'],
    reason: '--initial-cluster: has no member named "default", this member\'s --name',
  },
  { args: ['--config-file=/nowhere.yaml'], reason: '--config-file: /nowhere.yaml cannot be read (ENOENT)' },
  {
    args: [`--config-file=${file('bad.yaml', 'nmae: x\n')}`],
    reason: '--config-file: unknown key nmae',
  },
  {
    args: [`--data-dir=${folder('open', 0o755)}`],
    reason: `--data-dir: ${scratch}/open has mode 755: other users may read it; check what they saw, then chmod 700 it`,
  },
  { args: [`--data-dir=${file('plain', '')}`], reason: `--data-dir: ${scratch}/plain is not a folder` },
])
  test(`serve ${args.join(' ')}${Object.entries(env).map(([k, v]) => ` with ${k}=${v}`)}: refused in one line`, async () => {
    const before = readdirSync(scratch)
    const { code, stdout, stderr } = await run(leasehold, ['serve', ...args], { env, cwd: scratch })
    assert.equal(stderr, `leasehold serve: ${reason}\n`)
    assert.equal(stdout, '')
    assert.equal(code, 1)
    assert.deepEqual(readdirSync(scratch), before, 'it leaves nothing behind')
  })

for (const { args, line } of [
  { args: ['frobnicate'], line: /^leasehold: unknown command 'frobnicate' \(see: leasehold --help\)\n$/ },
  { args: ['--name', 'x'], line: /^leasehold: unknown option '--name' \(see: leasehold --help\)\n$/ },
  { args: ['pki', 'init'], line: /^leasehold: required option '--dir <folder>' not specified/ },
  {
    args: ['pki', 'issue', '--dir', '/nowhere', '--profile', 'client', '--name', 'x', '--out', '/nowhere'],
    line: /^leasehold pki: \/nowhere/,
  },
  {
    args: ['quickstart', '--members', '9', '--dir', join(scratch, 'q')],
    line: /^leasehold quickstart: --members must be from 1 to 7\n$/,
  },
])
  test(`${args.join(' ')}: refused in one line`, async () => {
    const { code, stdout, stderr } = await run(leasehold, args, { cwd: scratch })
    assert.match(stderr, line)
    assert.equal(stderr.split('\n').length, 2)
    assert.equal(stdout, '')
    assert.equal(code, 1)
  })

test('without arguments it shows what there is, and fails', async () => {
  const { code, stderr } = await run(leasehold, [])
  assert.equal(code, 1)
  for (const command of ['serve', 'quickstart', 'pki', 'version'])
    assert.match(stderr, new RegExp(`^ {2}${command}\\b`, 'm'))
})

for (const { args, line } of [
  { args: ['quickstart', '--dir='], line: "option '--dir <folder>' argument '' is invalid. It must not be empty" },
  { args: ['quickstart', '--once='], line: "option '--once <command>' argument '' is invalid. It must not be empty" },
  { args: ['quickstart', '--members=-1'], line: "option '--members <n>' argument '-1' is invalid. It is not a number" },
  { args: ['pki', 'init', '--dir='], line: "option '--dir <folder>' argument '' is invalid. It must not be empty" },
])
  test(`refused: ${args.join(' ')}`, async () => {
    const { code, stdout, stderr } = await run(leasehold, args, { cwd: scratch })
    assert.equal(code, 1)
    assert.deepEqual([stdout, stderr], ['', `leasehold: ${line} (see: leasehold --help)\n`])
  })

test('a group of commands without one shows its help and nothing else, and fails', async () => {
  const { code, stderr } = await run(leasehold, ['pki'])
  assert.equal(code, 1)
  assert.match(stderr, /^Usage: leasehold pki/)
  assert.doesNotMatch(stderr, /outputHelp/)
})

test('help and version', async () => {
  const version = await run(leasehold, ['--version'])
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/)
  for (const args of [['version'], ['serve', '--version']]) {
    const { code, stdout } = await run(leasehold, args)
    assert.equal(code, 0)
    assert.match(stdout, new RegExp(`^leasehold Version: ${version.stdout.trim()}\nNode Version: v\\d+`))
  }
  const { code, stdout } = await run(leasehold, ['serve', '--help'])
  assert.equal(code, 0)
  assert.match(stdout, /--initial-cluster/)
})

test('every flag of the installed etcd is known', async () => {
  const { stdout, stderr } = await run('etcd', ['--help'])
  const names = [...`${stdout}${stderr}`.matchAll(/^ {2}--([a-z0-9-]+)/gm)].map(([, name]) => name!)
  assert.ok(names.length > 60)
  const { stdout: help } = await run(leasehold, ['serve', '--help'])
  assert.deepEqual(
    names.filter((name) => !new RegExp(`--${name}[\\s,]`).test(help)),
    [],
  )
})

test('the launcher works through a chain of links from anywhere', async () => {
  symlinkSync(leasehold, join(scratch, 'one'))
  symlinkSync('one', join(scratch, 'two'))
  const { code, stdout } = await run(join(scratch, 'two'), ['version'], { cwd: '/' })
  assert.equal(code, 0)
  assert.match(stdout, /^leasehold Version/)
})
