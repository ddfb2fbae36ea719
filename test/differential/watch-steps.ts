import type { WatchCreateRequest } from '../../src/wire/gen/rpc.ts'
import type { Dice } from '../sim/dice.ts'
import type { Step } from './step.ts'
import { enumValue, keyAndEnd, nul, oddInteger, revision } from './values.ts'

const streams = 6

/** Bytes that are no request, each for a reason of its own. */
const noRequests = [
  [0x0a, 0x7f, 0x61],
  [0x0a, 0x7f, 0x5c],
  [0x0a, 0x02, 0x18],
  [0x0a, 0x02, 0x0a, 0x02, 0x61, 0x62],
  [0x0a, 0x02, 0x18, 0x80, 0x01],
  [0x0a, 0x03, 0x00, 0x1a, 0x00],
  [0x1a, 0x00, 0x5c],
  [0x1a, 0x00, 0x00],
  [0x08],
]

function createRequest(dice: Dice): WatchCreateRequest {
  return {
    ...keyAndEnd(dice),
    start_revision: dice.chance(0.5) ? revision(dice) : 0n,
    progress_notify: dice.chance(0.2),
    filters: dice.chance(0.25) ? Array.from({ length: 1 + dice.below(2) }, () => enumValue(dice, 2)) : [],
    prev_kv: dice.chance(0.4),
    watch_id: dice.chance(0.3) ? watchId(dice) : 0n,
    fragment: dice.chance(0.3),
  }
}

/** A watch of everything from a revision on. */
export function watchFrom(dice: Dice, start_revision: bigint): Step {
  const value = { ...createRequest(dice), key: nul, range_end: nul, filters: [], start_revision, watch_id: 0n }
  return { kind: 'watch', stream: dice.below(streams), request: { $case: 'create_request', value } }
}

const watchId = (dice: Dice): bigint => (dice.chance(0.06) ? oddInteger(dice) : BigInt(dice.below(12)))

export function watchSteps(dice: Dice): Step[] {
  const stream = dice.below(streams)
  const roll = dice.below(100)
  if (roll < 55) {
    return [{ kind: 'watch', stream, request: { $case: 'create_request', value: createRequest(dice) } }]
  }
  if (roll < 82) {
    const cancel: Step = {
      kind: 'watch',
      stream,
      request: { $case: 'cancel_request', value: { watch_id: watchId(dice) } },
    }
    return dice.chance(0.7) ? [{ kind: 'settle' }, cancel] : [cancel]
  }
  if (roll < 92) {
    return [{ kind: 'settle' }, { kind: 'watch', stream, request: { $case: 'progress_request', value: {} } }]
  }
  if (roll < 99) return [{ kind: 'settle' }, { kind: 'closeWatch', stream }]
  return [{ kind: 'settle' }, { kind: 'watchBytes', stream, bytes: Uint8Array.from(dice.pick(noRequests)) }]
}
