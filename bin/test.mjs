// Runs every check of the project, or the stages named on the command line, and prints one closing count.
//   node bin/test.mjs [types] [lint] [unit] [sim] [e2e]
//   node bin/test.mjs chaos    what takes too long for every change
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, relative } from 'node:path'
import { modernNode, root, setup } from './setup.mjs'

setup()
const node = modernNode()

// What follows needs the newer Node, too: an older one has no globSync to import.
if (node !== process.execPath) {
  const { status } = spawnSync(node, process.argv.slice(1), { stdio: 'inherit' })
  process.exit(status ?? 1)
}
const { globSync } = await import('node:fs')

const tool = (name) => join(root, 'node_modules', '.bin', name)
const scratch = mkdtempSync(join(tmpdir(), 'leasehold-test-'))
const env = {
  ...process.env,
  PATH: [dirname(node), join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter),
  // Every test file and every program that one starts would compile the same sources: half of the time of a short one.
  NODE_COMPILE_CACHE: join(scratch, 'compiled'),
}

const run = (command, args) => spawnSync(command, args, { cwd: root, env, stdio: 'inherit' }).status ?? 1

/** No test file takes longer; one that hangs must not hold up the others for ever. */
const fileTimeoutMs = 10 * 60_000

/** Test files and how long each took. */
const durations = []
const slowestShown = 10

/** Runs node:test on `files`, `concurrency` at once, and adds up what it counts. */
function testFiles(files, concurrency, counts) {
  const summaries = join(scratch, 'summaries')
  const exit = run(node, [
    '--test',
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${fileTimeoutMs}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${join(root, 'bin', 'test-summaries.mjs')}`,
    `--test-reporter-destination=${summaries}`,
    ...files,
  ])
  for (const line of readFileSync(summaries, 'utf8').trim().split('\n').filter(Boolean)) {
    const { file, counts: counted, duration_ms } = JSON.parse(line)
    if (file !== undefined) durations.push({ file: relative(root, file), seconds: duration_ms / 1000 })
    else for (const [name, counter] of Object.entries(counterOf)) counts[name] = (counts[name] ?? 0) + counted[counter]
  }
  return exit
}

/** What the closing count calls it, and what node:test does. */
const counterOf = {
  tests: 'tests',
  pass: 'passed',
  fail: 'failed',
  cancelled: 'cancelled',
  skipped: 'skipped',
  todo: 'todo',
}

/** @param alone files beside which no other runs. */
function tests(pattern, concurrency, alone = []) {
  const files = globSync(pattern, { cwd: root }).sort()
  if (files.length === 0) return { exit: 1, counts: {}, note: `no files match ${pattern}` }
  const missing = alone.filter((file) => !files.includes(file))
  if (missing.length > 0) return { exit: 1, counts: {}, note: `there is no ${missing.join(', ')}` }
  const counts = {}
  const exits = [
    [files.filter((file) => !alone.includes(file)), concurrency],
    [alone, 1],
  ].map(([some, atOnce]) => (some.length === 0 ? 0 : testFiles(some, atOnce, counts)))
  return { exit: Math.max(...exits), counts }
}

const stages = {
  types: () => ({ exit: run(tool('tsc'), ['-p', root]) }),
  lint: () => ({
    exit: run(tool('biome'), ['ci', '--error-on-warnings', ...(process.stdout.isTTY ? [] : ['--colors=off']), '.']),
  }),
  unit: () => tests('test/{unit,contract}/**/*.test.ts', 4),
  sim: () => tests('test/sim/**/*.test.ts', 2),
  // Mostly they wait, for elections, leases and timeouts.
  e2e: () =>
    tests('test/{conformance,differential,e2e}/**/*.test.ts', 2, [
      // Ten thousand connections, and how long others wait meanwhile.
      'test/e2e/silent-sockets.test.ts',
      'test/e2e/long-reads.test.ts',
      // A revocation is to take effect within seconds.
      'test/e2e/revocation.test.ts',
    ]),
  chaos: () => tests('test/chaos/**/*.test.ts', 1),
}

const wanted =
  process.argv.length > 2 ? process.argv.slice(2) : Object.keys(stages).filter((stage) => stage !== 'chaos')
const unknown = wanted.filter((stage) => !Object.hasOwn(stages, stage))
if (unknown.length > 0) {
  process.stderr.write(`unknown stage ${unknown.join(', ')}; there are ${Object.keys(stages).join(', ')}\n`)
  process.exit(2)
}

const total = { tests: 0, pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 }
const failed = []
for (const stage of wanted) {
  process.stdout.write(`\n== ${stage}\n`)
  const started = performance.now()
  const { exit, counts = {}, note } = stages[stage]()
  for (const [name, count] of Object.entries(counts)) total[name] += count
  if (exit !== 0) failed.push(stage)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  process.stdout.write(`== ${stage}: ${exit === 0 ? 'passed' : 'FAILED'} in ${seconds} s${note ? ` (${note})` : ''}\n`)
}
rmSync(scratch, { recursive: true, force: true })

if (durations.length > 0) {
  process.stdout.write('\nslowest files:\n')
  for (const { file, seconds } of durations.sort((a, b) => b.seconds - a.seconds).slice(0, slowestShown))
    process.stdout.write(`${seconds.toFixed(1).padStart(8)} s  ${file}\n`)
}
process.stdout.write('\n')
for (const [name, count] of Object.entries(total)) process.stdout.write(`ℹ ${name} ${count}\n`)
process.stdout.write(failed.length === 0 ? 'all stages passed\n' : `FAILED stages: ${failed.join(', ')}\n`)
process.exit(failed.length === 0 ? 0 : 1)
