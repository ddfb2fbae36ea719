import { limits } from '../base/limits.ts'
import { EtcdError } from '../errors.ts'

/** The tokens that one serving thread is about to verify: each once, however many calls come with it, and so many at most. */
export class Verifying {
  readonly #begun = new Map<string, Promise<void>>()

  /** @throws EtcdError tooManyRequests. */
  once(token: string, verify: () => Promise<void>): Promise<void> {
    const begun = this.#begun.get(token)
    if (begun !== undefined) return begun
    if (this.#begun.size >= limits.tokensVerifyingMax) throw new EtcdError('tooManyRequests')
    const verifying = verify().finally(() => this.#begun.delete(token))
    this.#begun.set(token, verifying)
    return verifying
  }
}
