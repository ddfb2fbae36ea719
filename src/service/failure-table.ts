import { limits } from '../base/limits.ts'

/** Places in which one tag may stand. */
const ways = 8
const sets = limits.loginFailuresRememberedMax / ways
const slots = sets * ways

const never = 0n

/**
 * How often somebody failed and when last, by tags, in memory that threads share. Of a fixed size: who failed longest ago
 * gives way. There is no lock that a thread could die with: each number is changed in one step, and two threads that want the
 * same place at the same moment lose a count at worst.
 */
export class FailureTable {
  static readonly bytes = slots * (2 * BigInt64Array.BYTES_PER_ELEMENT + Int32Array.BYTES_PER_ELEMENT)

  readonly #tags: BigInt64Array
  /** Milliseconds. */
  readonly #last: BigInt64Array
  readonly #counts: Int32Array

  /** @param memory zeroes at first. @param offset a multiple of 8. */
  constructor(memory: SharedArrayBuffer, offset: number) {
    this.#tags = new BigInt64Array(memory, offset, slots)
    this.#last = new BigInt64Array(memory, offset + this.#tags.byteLength, slots)
    this.#counts = new Int32Array(memory, offset + this.#tags.byteLength + this.#last.byteLength, slots)
  }

  get(tag: bigint): { readonly count: number; readonly lastMs: number } | null {
    const slot = this.#find(tag)
    if (slot === null) return null
    return { count: Atomics.load(this.#counts, slot), lastMs: Number(Atomics.load(this.#last, slot)) }
  }

  /** Counts one more; those of longer than `forgottenMs` ago no longer count. */
  add(tag: bigint, nowMs: number, forgottenMs: number): void {
    const slot = this.#find(tag) ?? this.#claim(tag)
    const last = Atomics.exchange(this.#last, slot, BigInt(nowMs))
    if (nowMs - Number(last) >= forgottenMs) Atomics.store(this.#counts, slot, 1)
    else Atomics.add(this.#counts, slot, 1)
  }

  clear(tag: bigint): void {
    const slot = this.#find(tag)
    if (slot === null) return
    Atomics.store(this.#counts, slot, 0)
    Atomics.store(this.#last, slot, never)
  }

  #find(tag: bigint): number | null {
    const first = firstSlot(tag)
    for (let slot = first; slot < first + ways; slot++) if (Atomics.load(this.#tags, slot) === tag) return slot
    return null
  }

  #claim(tag: bigint): number {
    const first = firstSlot(tag)
    let oldest = first
    for (let slot = first + 1; slot < first + ways; slot++) {
      if (Atomics.load(this.#last, slot) < Atomics.load(this.#last, oldest)) oldest = slot
    }
    Atomics.store(this.#counts, oldest, 0)
    Atomics.store(this.#tags, oldest, tag)
    return oldest
  }
}

const firstSlot = (tag: bigint): number => Number(BigInt.asUintN(32, tag) % BigInt(sets)) * ways
