import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../../src/base/random.ts'
import { checkLinearizable, type Model } from '../../sim/linearizability.ts'
import {
  type RegisterInput,
  type RegisterOperation,
  type RegisterOutput,
  registerModel,
} from '../../sim/register-model.ts'

const never = Number.POSITIVE_INFINITY

/** `put x 0-5`, `get x 1-3`, `get - 1-3` (nothing), `swap x>y 0-2`, `swap x>y=z 0-2` (found z), `del 0-1 found`; `0-` has no answer. */
function parse(line: string): RegisterOperation {
  const [kind, argument = '', span = '', existed] = line.split(' ')
  const [from, to] = (kind === 'del' ? argument : span).split('-')
  const value = (text: string): string | null => (text === '-' ? null : text)
  const times = { calledAt: Number(from), returnedAt: to === '' ? never : Number(to) }
  const answered = to !== ''
  const operation = (input: RegisterInput, output: RegisterOutput): RegisterOperation => ({
    ...times,
    input,
    output: answered ? output : undefined,
  })
  switch (kind) {
    case 'put':
      return operation({ kind: 'put', value: argument }, { kind: 'done' })
    case 'get':
      return operation({ kind: 'get' }, { kind: 'value', value: value(argument) })
    case 'del':
      return operation({ kind: 'delete' }, { kind: 'deleted', existed: (existed ?? span) === 'found' })
    case 'swap': {
      const [, expected = '', next = '', found] = /^([^>]+)>([^=]+)(?:=(.+))?$/.exec(argument) ?? []
      const output =
        found === undefined ? { kind: 'swapped' as const } : { kind: 'value' as const, value: value(found) }
      return operation({ kind: 'swap', expected: value(expected), value: next }, output)
    }
    default:
      throw new Error(`what is ${line}?`)
  }
}

for (const { name, history, want } of [
  { name: 'nothing happened', history: [], want: true },
  { name: 'a read after a write sees it', history: ['put a 0-1', 'get a 2-3'], want: true },
  { name: 'a read after a write misses it', history: ['put a 0-1', 'get - 2-3'], want: false },
  { name: 'a read beside a write may see it', history: ['put a 0-5', 'get a 1-2'], want: true },
  { name: 'a read beside a write may miss it', history: ['put a 0-5', 'get - 1-2'], want: true },
  { name: 'two reads beside a write: old then new', history: ['put a 0-9', 'get - 1-2', 'get a 3-4'], want: true },
  { name: 'two reads beside a write: new then old', history: ['put a 0-9', 'get a 1-2', 'get - 3-4'], want: false },
  { name: 'a value from nowhere', history: ['put a 0-1', 'get b 2-3'], want: false },
  { name: 'an unanswered write may have happened', history: ['put a 0-', 'get a 5-6'], want: true },
  { name: 'an unanswered write may never happen', history: ['put a 0-', 'get - 5-6'], want: true },
  {
    name: 'an unanswered write happens once',
    history: ['put a 0-', 'get a 5-6', 'put b 7-8', 'get a 9-10'],
    want: false,
  },
  {
    name: 'an unanswered write happens late',
    history: ['put a 0-', 'put b 1-2', 'get b 3-4', 'get a 5-6'],
    want: true,
  },
  { name: 'nothing happens before its call', history: ['get a 0-1', 'put a 2-'], want: false },
  { name: 'an acknowledged write is lost', history: ['put a 0-1', 'put b 2-3', 'get a 4-5'], want: false },
  { name: 'writes side by side: either order', history: ['put a 0-5', 'put b 0-5', 'get a 6-7'], want: true },
  {
    name: 'writes side by side: one order',
    history: ['put a 0-5', 'put b 0-5', 'get a 6-7', 'get b 8-9'],
    want: false,
  },
  { name: 'one of two swaps wins', history: ['put a 0-1', 'swap a>b 2-5', 'swap a>c=b 2-5', 'get b 6-7'], want: true },
  { name: 'both swaps win', history: ['put a 0-1', 'swap a>b 2-5', 'swap a>c 2-5'], want: false },
  { name: 'a swap from nothing', history: ['swap ->a 0-1', 'get a 2-3'], want: true },
  { name: 'a swap fails without a reason', history: ['put a 0-1', 'swap a>b=a 2-3'], want: false },
  {
    name: 'an unanswered swap explains a read',
    history: ['put a 0-1', 'swap a>b 2-', 'get a 3-4', 'get b 5-6'],
    want: true,
  },
  { name: 'a delete finds what was put', history: ['put a 0-1', 'del 2-3 found', 'get - 4-5'], want: true },
  { name: 'a delete finds nothing', history: ['put a 0-1', 'del 2-3 nothing'], want: false },
  { name: 'a deleted value comes back', history: ['put a 0-1', 'del 2-3 found', 'get a 4-5'], want: false },
]) {
  test(`linearizability: ${name}`, () => {
    const verdict = checkLinearizable(registerModel, history.map(parse))
    assert.equal(verdict, want ? 'linearizable' : 'notLinearizable')
  })
}

/** The slow and obvious twin: tries every order. */
function explains<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly { input: Input; output: Output | undefined; calledAt: number; returnedAt: number }[],
): boolean {
  const search = (state: State, left: typeof history): boolean => {
    if (left.every((operation) => operation.output === undefined)) return true
    return left.some((operation, at) => {
      if (left.some((other) => other !== operation && other.returnedAt < operation.calledAt)) return false
      const next = model.step(state, operation.input, operation.output)
      return next !== undefined && search(next, left.toSpliced(at, 1))
    })
  }
  return search(model.initial, history)
}

test('linearizability: agrees with trying every order, on random histories', () => {
  const verdicts = { linearizable: 0, notLinearizable: 0, unknown: 0 }
  for (let seed = 0; seed < 3000; seed++) {
    const random = seededRandom(seed)
    const values = ['a', 'b', 'c']
    const pick = (): string => values[random.below(values.length)]!
    const history = Array.from({ length: 2 + random.below(5) }, (): RegisterOperation => {
      const from = random.below(12)
      const span = `${from}-${random.below(8) === 0 ? '' : from + 1 + random.below(6)}`
      const lines = [
        `put ${pick()} ${span}`,
        `get ${random.below(3) === 0 ? '-' : pick()} ${span}`,
        `swap ${pick()}>${pick()} ${span}`,
        `swap ${pick()}>${pick()}=${pick()} ${span}`,
        `del ${span} ${random.below(2) === 0 ? 'found' : 'nothing'}`,
      ]
      return parse(lines[random.below(lines.length)]!)
    })
    const verdict = checkLinearizable(registerModel, history)
    verdicts[verdict]++
    assert.equal(
      verdict === 'linearizable',
      explains(registerModel, history),
      `seed ${seed}: ${JSON.stringify(history)}`,
    )
  }
  assert.ok(verdicts.linearizable > 100 && verdicts.notLinearizable > 100, JSON.stringify(verdicts))
})

test('linearizability: gives up after the allowed steps', () => {
  const history = Array.from({ length: 14 }, (_, i) => parse(`put v${i} 0-9`))
  assert.equal(checkLinearizable(registerModel, [...history, parse('get w 10-11')], 1000), 'unknown')
})
