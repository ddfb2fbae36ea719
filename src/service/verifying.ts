import { limits } from '../base/limits.ts'
import { networkOf } from '../base/network-address.ts'
import { EtcdError } from '../errors.ts'
import type { Credentials } from './call.ts'

/**
 * The tokens that one serving thread is about to verify: each once, however many calls come with it, and so many at most, of
 * one source and of all. Whoever sends bad ones has others wait for their turn, and leaves room for them.
 */
export class Verifying {
  readonly #begun = new Map<string, Promise<void>>()
  readonly #ofSource = new Map<string, number>()

  /**
   * @param verify told the source, within which tokens wait for each other before those of others wait for them.
   * @throws EtcdError tooManyRequests.
   */
  once(token: string, credentials: Credentials, verify: (source: string) => Promise<void>): Promise<void> {
    const begun = this.#begun.get(token)
    if (begun !== undefined) return begun
    const source = JSON.stringify([networkOf(credentials.address), credentials.certificateSha256])
    const count = this.#ofSource.get(source) ?? 0
    if (this.#begun.size >= limits.tokensVerifyingMax || count >= limits.tokensVerifyingPerSourceMax) {
      throw new EtcdError('tooManyRequests')
    }
    this.#ofSource.set(source, count + 1)
    const verifying = verify(source).finally(() => this.#ended(token, source))
    this.#begun.set(token, verifying)
    return verifying
  }

  #ended(token: string, source: string): void {
    this.#begun.delete(token)
    const left = (this.#ofSource.get(source) ?? 1) - 1
    if (left === 0) this.#ofSource.delete(source)
    else this.#ofSource.set(source, left)
  }
}
