/** `npm run differential -- [--requests N] [--seed N] [--members 3]`: compares leasehold with etcd and exits with 1 if they differ. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeStep } from './describe.ts'
import { generateSteps } from './generator.ts'
import { KnownDifferences } from './known-differences.ts'
import { type Found, runSteps } from './run-steps.ts'
import { ServerPairs } from './server-pairs.ts'
import { shrink } from './shrink.ts'
import { isRequest, type Step } from './step.ts'

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '100000' },
    seed: { type: 'string' },
    /** Requests for which one pair of servers is used. */
    session: { type: 'string', default: '5000' },
    /** Of the leasehold cluster, which is asked through a member that follows. */
    members: { type: 'string', default: '1' },
    /** Go on with the next session after a difference. */
    'keep-going': { type: 'boolean', default: false },
    /** Folder for a file about each difference. */
    reports: { type: 'string' },
    'shrink-seconds': { type: 'string', default: '60' },
  },
})

function numberOf(name: 'requests' | 'seed' | 'session' | 'members' | 'shrink-seconds'): number {
  const number = Number(values[name])
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${name} must be a whole number`)
  return number
}

const print = (line: string): void => void process.stdout.write(`${line}\n`)

function report(seed: number, { difference, steps }: Found): string {
  return [
    `# ${difference.area}: ${difference.message}`,
    '',
    `Found with --seed ${seed} --session ${perSession}. Requests, the last one being where it shows:`,
    '',
    ...steps.map((step) => `    ${describeStep(step).slice(0, 2000)}`),
    '',
    'etcd:',
    '',
    `    ${difference.etcd.slice(0, 6000).replaceAll('\n', '\n    ')}`,
    '',
    'leasehold:',
    '',
    `    ${difference.leasehold.slice(0, 6000).replaceAll('\n', '\n    ')}`,
    '',
  ].join('\n')
}

const requests = numberOf('requests')
const perSession = numberOf('session')
const firstSeed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : numberOf('seed')
await using pairs = new ServerPairs(numberOf('members'))
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => pairs[Symbol.asyncDispose]().finally(() => process.exit(1)))
}
const known = new KnownDifferences()
let done = 0
let differences = 0
print(`seed ${firstSeed}`)
for (let seed = firstSeed; done < requests; seed++) {
  const started = performance.now()
  let made = 0
  function* counted(steps: Iterable<Step>): Generator<Step> {
    for (const step of steps) {
      if (isRequest(step)) made++
      yield step
    }
  }
  const found = await runSteps(pairs, counted(generateSteps(seed, Math.min(perSession, requests - done))), known)
  done += made
  print(`seed ${seed}: ${made} requests in ${Math.round(performance.now() - started)} ms, ${done} of ${requests}`)
  if (found === null) continue
  differences++
  print(`${found.difference.area}: ${found.difference.message}`)
  const text = report(seed, await shrink(pairs, found, 1000 * numberOf('shrink-seconds')))
  print(text)
  if (values.reports !== undefined) {
    mkdirSync(values.reports, { recursive: true })
    writeFileSync(join(values.reports, `${found.difference.area}-${seed}.md`), text)
  }
  if (!values['keep-going']) break
}

print('known differences:')
for (const { name, count } of known.counts())
  print(`${String(count).padStart(7)}  ${name}${count === 0 ? ' (never seen)' : ''}`)
print(`${done} requests, ${differences} unexplained differences`)
process.exitCode = differences === 0 ? 0 : 1
