import { assert } from '../../src/base/assert.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { hashText } from './hash.ts'

/** Seeded choices. Each part of the world rolls its own dice, so that one more roll here does not change all of there. */
export class Dice {
  readonly #random: Random

  constructor(seed: number, purpose: string) {
    this.#random = seededRandom((Math.imul(seed, 0x9e3779b1) ^ hashText(purpose)) | 0)
  }

  chance(probability: number): boolean {
    return this.#random.next() < probability
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + this.#random.next() * (high - low)
  }

  /** Uniform integer in [0, bound). */
  below(bound: number): number {
    return this.#random.below(bound)
  }

  pick<T>(options: readonly T[]): T {
    assert(options.length > 0, 'there is nothing to pick from')
    return options[this.#random.below(options.length)]!
  }

  /** A random order of `items`, as a new array. */
  shuffle<T>(items: readonly T[]): T[] {
    const shuffled = [...items]
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.#random.below(i + 1)
      const swapped = shuffled[i]!
      shuffled[i] = shuffled[j]!
      shuffled[j] = swapped
    }
    return shuffled
  }
}
