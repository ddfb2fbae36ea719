/**
 * Users, rules, requests and watches on three members that are killed and paused, against a small model: test/model. Longer:
 * `npm run model -- --seeds 20`.
 */
import { test } from 'node:test'
import { compareAsEtcd, runConcurrently, runSerially } from '../model/run-seed.ts'

const fresh = Math.floor(Math.random() * 2 ** 31)
const timeout = 120_000

test(`the model is right, as far as etcd is (npm run model -- --program etcd --seed ${fresh} --steps 400)`, {
  timeout,
}, async (context) => {
  context.diagnostic(JSON.stringify(await compareAsEtcd({ seed: fresh, steps: 400, program: 'etcd' })))
})

for (const seed of [11, fresh])
  test(`one thing after the other: each comes out as the model says (npm run model -- --seed ${seed} --steps 150 --seconds 0)`, {
    timeout,
  }, async (context) => {
    context.diagnostic(JSON.stringify(await runSerially({ seed, steps: 150 })))
  })

test(`all at once: no verdict but of rules that were in force (npm run model -- --seed ${fresh} --steps 0 --seconds 5)`, {
  timeout,
}, async (context) => {
  context.diagnostic(JSON.stringify(await runConcurrently({ seed: fresh, milliseconds: 5000 })))
})
