import { setTimeout as sleep } from 'node:timers/promises'
import { backgroundKeys } from './generator.ts'
import { Mismatch, type World } from './world.ts'

const pauseMs = 3

/** Puts by root all the time, at all members in turn: what watches are for. */
export class BackgroundWriter implements AsyncDisposable {
  readonly #world: World
  readonly #done: Promise<void>
  #stopped = false
  #denial: string | null = null

  constructor(world: World) {
    this.#world = world
    this.#done = this.#write()
  }

  async #write(): Promise<void> {
    for (let count = 0; !this.#stopped; count++) {
      const { present } = this.#world
      const member = present[count % present.length]
      if (member !== undefined) {
        const result = await this.#world.putAsRoot(member, backgroundKeys[count % backgroundKeys.length]!, `w${count}`)
        if (result.kind === 'refused') this.#denial ??= result.text
      }
      await sleep(pauseMs)
    }
  }

  /** @throws Mismatch */
  throwIfDenied(): void {
    if (this.#denial !== null) throw new Mismatch(`root's put was refused: ${this.#denial}`)
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    return this.#done
  }
}
