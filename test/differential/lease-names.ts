import { compareBytes } from '../../src/base/bytes.ts'
import type { LeaseGrantResponse, LeaseLeasesResponse, LeaseTimeToLiveResponse } from '../../src/wire/gen/rpc.ts'
import type { MethodName } from './step.ts'
import { chosenLease, nobodysLease } from './symbols.ts'

/** Two servers asked one after the other may see time go on between. */
const secondsApartMax = 2n
/** Leases that run out within this of each other may be listed in any order. */
const listSlackMs = 5000

/** The leases of one server: what those are called that it chose ids for, and when each runs out. */
export class LeaseNames {
  readonly #ids: bigint[] = []
  readonly #symbols = new Map<bigint, bigint>()
  /** By symbol or id, in milliseconds of this process. */
  readonly #expiries = new Map<bigint, number>()

  add(id: bigint): void {
    this.#symbols.set(id, chosenLease(this.#ids.length))
    this.#ids.push(id)
  }

  idOf(n: number): bigint {
    return this.#ids[n] ?? nobodysLease
  }

  symbolOf(value: bigint): bigint {
    return this.#symbols.get(value) ?? value
  }

  renewed({ ID, TTL }: { readonly ID: bigint; readonly TTL: bigint }): void {
    if (TTL > 0n) this.#expiries.set(ID, performance.now() + 1000 * Number(TTL))
  }

  sawAnswer(method: MethodName, message: unknown): void {
    if (method === 'LeaseGrant') this.renewed(message as LeaseGrantResponse)
  }

  /**
   * The part of an answer about leases that can be compared: etcd lists keys in the order of a hash table, and leases
   * in that of their ends.
   *
   * @param like etcd's answer to the same request, whose remaining seconds are taken over if they are nearly the same.
   */
  comparable(method: MethodName, message: unknown, like: unknown): unknown {
    if (method === 'LeaseTimeToLive') {
      const response = message as LeaseTimeToLiveResponse
      const other = like as LeaseTimeToLiveResponse | null | undefined
      const isNear =
        other && response.TTL > 0n && other.TTL > 0n && distance(other.TTL, response.TTL) <= secondsApartMax
      return { ...response, TTL: isNear ? other.TTL : response.TTL, keys: response.keys.toSorted(compareBytes) }
    }
    if (method === 'LeaseLeases') {
      const { leases, ...rest } = message as LeaseLeasesResponse
      const ids = leases.map(({ ID }) => ID)
      return { ...rest, leases: ids.toSorted((a, b) => (a < b ? -1 : 1)), endInOrder: this.#endInOrder(ids) }
    }
    return message
  }

  #endInOrder(ids: readonly bigint[]): boolean {
    let latest = Number.NEGATIVE_INFINITY
    return ids.every((id) => {
      const expiry = this.#expiries.get(id) ?? latest
      const isLater = expiry >= latest - listSlackMs
      latest = Math.max(latest, expiry)
      return isLater
    })
  }
}

const distance = (a: bigint, b: bigint): bigint => (a < b ? b - a : a - b)
