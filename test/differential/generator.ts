import { Dice } from '../sim/dice.ts'
import { encodeRequest } from './codec.ts'
import { compactRequest, deleteRequest, hugePut, putRequest, rangeRequest } from './kv-requests.ts'
import { expirySteps, leaseSteps } from './lease-steps.ts'
import { isRequest, type MethodName, type Step } from './step.ts'
import { fromCompacted, fromCurrent, type Meaning, nobodysLease, resolveSymbols } from './symbols.ts'
import { crowdedTxn, deepTxn, txnRequest } from './txn-requests.ts'
import { none, presentKey } from './values.ts'
import { watchFrom, watchSteps } from './watch-steps.ts'

/** Steps between pauses in which all watches are looked at. */
const stepsBetweenSettles = 100

/** The steps of one session: `requests` requests (a few more, to end what was begun) and the pauses between them. */
export function* generateSteps(seed: number, requests: number): Generator<Step> {
  const dice = new Dice(seed, 'differential')
  let made = 0
  let unsettled = 0
  while (made < requests) {
    for (const step of nextSteps(dice)) {
      if (isRequest(step)) made++
      yield step
    }
    if (++unsettled < stepsBetweenSettles) continue
    unsettled = 0
    yield { kind: 'settle' }
  }
  yield { kind: 'settle' }
}

function nextSteps(dice: Dice): Step[] {
  const roll = dice.below(1000)
  if (roll < 250) return [{ kind: 'call', method: 'Put', message: putRequest(dice) }]
  if (roll < 420) return Array.from({ length: 1 + dice.below(6) }, () => rangeCall(dice))
  if (roll < 480) return [{ kind: 'call', method: 'DeleteRange', message: deleteRequest(dice) }]
  if (roll < 700) return [{ kind: 'call', method: 'Txn', message: txnRequest(dice) }]
  if (roll < 850) return leaseSteps(dice)
  if (roll < 960) return watchSteps(dice)
  if (roll < 975) return [{ kind: 'settle' }, ...(dice.chance(0.2) ? compactedDelete(dice) : [compactRequest(dice)])]
  if (roll < 990) return [garbled(dice)]
  if (roll < 994) return [{ kind: 'call', method: 'Txn', message: crowdedTxn(dice) }]
  if (roll < 997) {
    return [{ kind: 'call', method: 'Txn', message: deepTxn(dice, dice.pick([5, 10, 20, 30, 60, 64, 65, 100, 200])) }]
  }
  if (roll < 999 || dice.chance(0.8)) return hugePut(dice)
  return expirySteps(dice)
}

/** A key is deleted in the very revision to which the store is then compacted, and watched from there. */
function compactedDelete(dice: Dice): Step[] {
  const put = { ...putRequest(dice, presentKey), ignore_value: false, ignore_lease: false, lease: 0n }
  return [
    { kind: 'call', method: 'Put', message: put },
    { kind: 'call', method: 'DeleteRange', message: { key: put.key, range_end: none, prev_kv: false } },
    { kind: 'settle' },
    { kind: 'call', method: 'Compact', message: { revision: fromCurrent(0), physical: true } },
    watchFrom(dice, fromCompacted(0)),
  ]
}

const rangeCall = (dice: Dice): Step => ({ kind: 'call', method: 'Range', message: rangeRequest(dice) })

/**
 * A read with bytes changed or added, or any message cut short, which changes nothing if it is no message any more; or
 * any message with a field from the future.
 */
function garbled(dice: Dice): Step {
  if (dice.chance(0.5))
    return { kind: 'bytes', method: 'Range', bytes: altered(dice, encoded('Range', rangeRequest(dice))) }
  const [method, message] = dice.pick([
    ['Range', rangeRequest(dice)],
    ['Put', putRequest(dice)],
    ['DeleteRange', deleteRequest(dice)],
    ['Txn', txnRequest(dice)],
  ] as const)
  const bytes = encoded(method, message)
  if (dice.chance(0.3)) return { kind: 'bytes', method, bytes: Buffer.concat([bytes, unknownField]) }
  return { kind: 'bytes', method, bytes: bytes.slice(0, dice.below(bytes.length + 1)) }
}

/** Number 100, of two bytes. */
const unknownField = Uint8Array.of(0xa2, 0x06, 0x02, 0x68, 0x69)

/** Bytes are made before there is a server to ask. */
const nowhere: Meaning = { lease: () => nobodysLease, current: 1, compacted: 0 }

const encoded = (method: MethodName, message: unknown): Uint8Array =>
  encodeRequest(method, resolveSymbols(message, nowhere))

function altered(dice: Dice, bytes: Uint8Array): Uint8Array {
  if (dice.chance(0.5) || bytes.length === 0) {
    return Buffer.concat([bytes, Buffer.from(Array.from({ length: 3 }, () => dice.below(256)))])
  }
  const changed = Uint8Array.from(bytes)
  changed[dice.below(changed.length)] = dice.below(256)
  return changed
}
