import type { Dice } from '../sim/dice.ts'
import type { Step } from './step.ts'
import { lease, oddInteger, ownLease, presentKey, value } from './values.ts'

/** No lease of this many seconds ends while a session runs. */
const lastingSeconds = [3600n, 7200n, 86_400n, 100_000n, 9_000_000_000n]
/** Raised to the shortest TTL, which is over before the session is: such a lease is revoked at once. */
const shortSeconds = [0n, 1n, 2n, -1n, -(2n ** 63n)]

const grant = (ID: bigint, TTL: bigint): Step => ({ kind: 'call', method: 'LeaseGrant', message: { ID, TTL } })
const revoke = (ID: bigint): Step => ({ kind: 'call', method: 'LeaseRevoke', message: { ID } })
const timeToLive = (ID: bigint, keys: boolean): Step => ({
  kind: 'call',
  method: 'LeaseTimeToLive',
  message: { ID, keys },
})

const keepAlive = (...ids: bigint[]): Step => ({ kind: 'keepAlive', ids })

/** An id for the leases that come and go at once, so that none is ever left behind with another. */
const shortLease = 1000n
/** A lease under this id is left to run out. */
export const expiringLease = 1001n

export function leaseSteps(dice: Dice): Step[] {
  const roll = dice.below(100)
  if (roll < 14) return [grant(0n, dice.pick(lastingSeconds))]
  if (roll < 32) return [grant(ownLease(dice), dice.pick(lastingSeconds))]
  if (roll < 35) return [grant(ownLease(dice), dice.pick([9_000_000_001n, 2n ** 63n - 1n, 2n ** 53n]))]
  if (roll < 40) {
    return [
      grant(shortLease, dice.pick(shortSeconds)),
      timeToLive(shortLease, dice.chance(0.5)),
      keepAlive(shortLease),
      revoke(shortLease),
    ]
  }
  if (roll < 52) return [revoke(dice.chance(0.03) ? dice.pick([0n, oddInteger(dice)]) : lease(dice))]
  if (roll < 72) return [timeToLive(dice.chance(0.02) ? 0n : lease(dice), dice.chance(0.5))]
  if (roll < 80) return [{ kind: 'call', method: 'LeaseLeases', message: {} }]
  if (roll < 97) return [keepAlive(dice.chance(0.02) ? 0n : lease(dice))]
  return [keepAlive(...Array.from({ length: 2 + dice.below(6) }, () => lease(dice)))]
}

/** A lease that runs out, with some keys. Takes seconds. */
export function expirySteps(dice: Dice): Step[] {
  const puts = Array.from({ length: 1 + dice.below(4) }, (): Step => {
    const put = { key: presentKey(dice), value: value(dice), lease: expiringLease }
    return {
      kind: 'call',
      method: 'Put',
      message: { ...put, prev_kv: false, ignore_value: false, ignore_lease: false },
    }
  })
  return [
    grant(expiringLease, 1n),
    ...puts,
    { kind: 'awaitExpiry' },
    timeToLive(expiringLease, true),
    keepAlive(expiringLease),
    revoke(expiringLease),
  ]
}
