/** `npm run model -- [--seeds N] [--seed N] [--steps N] [--seconds N] [--program etcd]`: random users, rules and requests against real members. */

import { parseArgs } from 'node:util'
import { compareAsEtcd, runConcurrently, runSerially } from './run-seed.ts'

const { values } = parseArgs({
  options: {
    /** The first, or only, one; absent: a fresh one. */
    seed: { type: 'string' },
    seeds: { type: 'string', default: '1' },
    steps: { type: 'string', default: '1000' },
    /** Of the run in which all happens at the same time. */
    seconds: { type: 'string', default: '15' },
    /** What both can do, by one member of that program: whether the model is right. */
    program: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
})

const print = (line: string): void => void process.stdout.write(`${line}\n`)

function numberOf(name: 'seed' | 'seeds' | 'steps' | 'seconds'): number {
  const number = Number(values[name])
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${name} must be a whole number`)
  return number
}

const first = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : numberOf('seed')
let failed = 0
for (let seed = first; seed < first + numberOf('seeds'); seed++) {
  const started = performance.now()
  try {
    const options = { seed, print: values.verbose ? print : () => {} }
    const steps = numberOf('steps')
    const { program } = values
    if (program === 'etcd' || program === 'leasehold') {
      print(`seed ${seed}: ${JSON.stringify(await compareAsEtcd({ ...options, program, steps }))}`)
      continue
    }
    if (steps > 0) print(`seed ${seed}: ${JSON.stringify(await runSerially({ ...options, steps }))}`)
    const milliseconds = 1000 * numberOf('seconds')
    if (milliseconds > 0) print(`seed ${seed}: ${JSON.stringify(await runConcurrently({ ...options, milliseconds }))}`)
    print(`seed ${seed}: ${Math.round(performance.now() - started)} ms`)
  } catch (error) {
    failed++
    print(`seed ${seed}: ${error instanceof Error ? error.message : error}`)
    print(`again: npm run model -- --seed ${seed} --steps ${numberOf('steps')} --seconds ${numberOf('seconds')}`)
  }
}
process.exitCode = failed === 0 ? 0 : 1
