/** The one message that answers a unary call: in one piece, or in parts if it is long. */
export type Answer = Uint8Array | LongAnswer

/** A message whose parts are never copied into one piece. Its memory counts as taken until `release`. */
export class LongAnswer {
  readonly parts: readonly Uint8Array[]
  readonly length: number
  readonly #released: () => void
  #isReleased = false

  constructor(parts: readonly Uint8Array[], released: () => void) {
    this.parts = parts
    this.length = parts.reduce((sum, part) => sum + part.length, 0)
    this.#released = released
  }

  /** The client has taken the message or is gone. Repeatable. */
  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#released()
  }
}

/** For who cannot do with parts. */
export function joinedAnswer(answer: Answer): Uint8Array {
  if (answer instanceof Uint8Array) return answer
  answer.release()
  return Buffer.concat(answer.parts, answer.length)
}
