// Runs every check of the project, or the stages named on the command line, and prints one closing count.
//   node bin/test.mjs [types] [lint] [unit] [sim] [e2e]
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
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
const env = {
  ...process.env,
  PATH: [dirname(node), join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter),
}
const scratch = mkdtempSync(join(tmpdir(), 'leasehold-test-'))

const run = (command, args) => spawnSync(command, args, { cwd: root, env, stdio: 'inherit' }).status ?? 1

/** No test file takes longer; one that hangs must not hold up the others for ever. */
const fileTimeoutMs = 10 * 60_000

/** Runs node:test and adds up what its closing counts say. */
function tests(stage, pattern, concurrency) {
  const files = globSync(pattern, { cwd: root }).sort()
  if (files.length === 0) return { exit: 1, counts: {}, note: `no files match ${pattern}` }
  const tap = join(scratch, `${stage}.tap`)
  const exit = run(node, [
    '--test',
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${fileTimeoutMs}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=tap',
    `--test-reporter-destination=${tap}`,
    ...files,
  ])
  const counts = {}
  for (const [, name, count] of readFileSync(tap, 'utf8').matchAll(
    /^# (tests|pass|fail|cancelled|skipped|todo) (\d+)$/gm,
  ))
    counts[name] = Number(count)
  return { exit, counts }
}

const stages = {
  types: () => ({ exit: run(tool('tsc'), ['-p', root]) }),
  lint: () => ({
    exit: run(tool('biome'), ['ci', '--error-on-warnings', ...(process.stdout.isTTY ? [] : ['--colors=off']), '.']),
  }),
  unit: () => tests('unit', 'test/{unit,contract}/**/*.test.ts', 4),
  sim: () => tests('sim', 'test/sim/**/*.test.ts', 2),
  e2e: () => tests('e2e', 'test/{conformance,differential,e2e}/**/*.test.ts', 1),
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(stages)
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

process.stdout.write('\n')
for (const [name, count] of Object.entries(total)) process.stdout.write(`ℹ ${name} ${count}\n`)
process.stdout.write(failed.length === 0 ? 'all stages passed\n' : `FAILED stages: ${failed.join(', ')}\n`)
process.exit(failed.length === 0 ? 0 : 1)
