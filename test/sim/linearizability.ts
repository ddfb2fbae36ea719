/** One call of a client. Times are of one clock; equal times count as overlapping. */
export interface Operation<Input, Output> {
  readonly input: Input
  /** Undefined if the answer never came: the operation may take effect at any time after its call, or never. */
  readonly output: Output | undefined
  readonly calledAt: number
  /** Infinity if the answer never came. */
  readonly returnedAt: number
}

/** A sequential object. States are compared by `key`. */
export interface Model<State, Input, Output> {
  readonly initial: State
  /** @returns the state after `input`, or undefined if the object could not have answered `output`. */
  step(state: State, input: Input, output: Output | undefined): State | undefined
  key(state: State): string
}

/** `unknown`: the search was given up after `stepsMax`. */
export type Verdict = 'linearizable' | 'notLinearizable' | 'unknown'

interface Node {
  /** Position of the operation in the history; both of its ends have it. */
  readonly id: number
  /** The matching return of a call; null in a return. */
  readonly match: Node | null
  before: Node | null
  after: Node | null
}

/**
 * Whether some order of the operations, each at one moment between call and return, explains all answers.
 *
 * Depth-first over which pending call takes effect next, remembering (set of linearized calls, state) pairs that led
 * nowhere. Exponential at worst, hence `stepsMax`.
 *
 * @source Wing and Gong, "Testing and verifying concurrent objects" (1993); the memo is Lowe's, "Testing for
 *   linearizability" (2017).
 */
export function checkLinearizable<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  stepsMax = 1_000_000,
): Verdict {
  const head = linkEvents(history)
  const linearized = new Uint8Array(Math.ceil(history.length / 8))
  const seen = new Set<string>()
  const path: { readonly call: Node; readonly state: State }[] = []
  /** Only answered operations must be explained. */
  let unexplained = history.filter((operation) => operation.output !== undefined).length
  let state = model.initial
  let at = head.after
  for (let steps = 0; unexplained > 0; steps++) {
    if (steps >= stepsMax) return 'unknown'
    if (at?.match) {
      const operation = history[at.id]!
      const next = model.step(state, operation.input, operation.output)
      flip(linearized, at.id)
      if (next !== undefined && isNew(seen, linearized, model.key(next))) {
        path.push({ call: at, state })
        state = next
        if (operation.output !== undefined) unexplained--
        lift(at)
        at = head.after
      } else {
        flip(linearized, at.id)
        at = at.after
      }
      continue
    }
    // A return whose call is not linearized yet, or the end: some earlier choice was wrong.
    const last = path.pop()
    if (!last) return 'notLinearizable'
    state = last.state
    flip(linearized, last.call.id)
    if (history[last.call.id]!.output !== undefined) unexplained++
    unlift(last.call)
    at = last.call.after
  }
  return 'linearizable'
}

const flip = (set: Uint8Array, id: number): void => {
  set[id >> 3]! ^= 1 << (id & 7)
}

function isNew(seen: Set<string>, linearized: Uint8Array, stateKey: string): boolean {
  const name = `${Buffer.from(linearized.buffer).toString('latin1')}|${stateKey}`
  if (seen.has(name)) return false
  seen.add(name)
  return true
}

/** Calls and returns in order of time; a call comes before a return at the same time. */
function linkEvents<Input, Output>(history: readonly Operation<Input, Output>[]): Node {
  const events: { readonly at: number; readonly isReturn: boolean; readonly node: Node }[] = []
  for (const [id, operation] of history.entries()) {
    const end: Node = { id, match: null, before: null, after: null }
    events.push({ at: operation.calledAt, isReturn: false, node: { id, match: end, before: null, after: null } })
    events.push({ at: operation.returnedAt, isReturn: true, node: end })
  }
  events.sort((a, b) => (a.at === b.at ? Number(a.isReturn) - Number(b.isReturn) : a.at < b.at ? -1 : 1))
  const head: Node = { id: -1, match: null, before: null, after: null }
  let last = head
  for (const { node } of events) {
    last.after = node
    node.before = last
    last = node
  }
  return head
}

function lift(call: Node): void {
  for (const node of [call, call.match!]) {
    node.before!.after = node.after
    if (node.after) node.after.before = node.before
  }
}

function unlift(call: Node): void {
  for (const node of [call.match!, call]) {
    node.before!.after = node
    if (node.after) node.after.before = node
  }
}
