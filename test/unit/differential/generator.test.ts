import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeStep } from '../../differential/describe.ts'
import { generateSteps } from '../../differential/generator.ts'
import { isRequest, methods, type Step } from '../../differential/step.ts'

const described = (steps: readonly Step[]): string[] => steps.map(describeStep)

test('a seed is a sequence of steps', () => {
  const steps = described([...generateSteps(7, 300)])
  assert.deepEqual(described([...generateSteps(7, 300)]), steps)
  assert.notDeepEqual(described([...generateSteps(8, 300)]), steps)
})

test('there are as many requests as were asked for, and of every kind', () => {
  const steps = [...generateSteps(1, 5000)]
  const requests = steps.filter(isRequest)
  assert.ok(requests.length >= 5000 && requests.length < 5010)
  const kinds = new Set(steps.map(({ kind }) => kind))
  for (const kind of ['call', 'bytes', 'keepAlive', 'watch', 'watchBytes', 'closeWatch', 'settle']) {
    assert.ok(kinds.has(kind as Step['kind']), kind)
  }
  const called = new Set(steps.map((step) => (step.kind === 'call' ? step.method : '')))
  for (const method of Object.keys(methods)) assert.ok(called.has(method as keyof typeof methods), method)
})
