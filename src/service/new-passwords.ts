import { limits } from '../base/limits.ts'
import type { Log } from '../base/log.ts'
import { EtcdError } from '../errors.ts'
import type { Call } from './call.ts'
import type { PasswordHasher } from './login.ts'

/** Whether bcrypt looks at all of a password. */
export const isHashable = (password: string): boolean => Buffer.byteLength(password) <= limits.passwordBytesMax

/** Shorter ones are found by trying, once somebody has a hash: said in the log where the rules allow them. */
const advisedLengthMin = 8

/** Whether what users are to have for a password may be one, and its hash. */
export class NewPasswords {
  readonly #hasher: PasswordHasher
  readonly #lengthMin: number
  readonly #log: Log
  #hasWarned = false

  /** @param lengthMin characters, as people count them. */
  constructor(hasher: PasswordHasher, lengthMin: number, log: Log) {
    this.#hasher = hasher
    this.#lengthMin = lengthMin
    this.#log = log
  }

  /**
   * bcrypt would cut a longer password without a word, and an empty one protects nothing: etcd takes both.
   *
   * @throws EtcdError invalidAuthManagement, with the rule as its cause; tooManyRequests.
   */
  async hashOf(user: string, password: string, { credentials }: Call): Promise<string> {
    const refuse = (rule: string): never => {
      this.#log.warn('a password is refused', { user: user.slice(0, limits.authNameBytesMax), rule })
      throw new EtcdError('invalidAuthManagement', { cause: rule })
    }
    if (!isHashable(password)) refuse(`a password has at most ${limits.passwordBytesMax} bytes`)
    const length = [...password].length
    if (length < this.#lengthMin) refuse(`a password has at least ${this.#lengthMin} characters`)
    if (this.#hasher.isBusy) throw new EtcdError('tooManyRequests')
    if (length < advisedLengthMin && !this.#hasWarned) {
      this.#hasWarned = true
      const advice = `--auth-password-min-length=${advisedLengthMin} or more refuses such`
      this.#log.warn('short passwords are in use', { user, advice })
    }
    const hash = await this.#hasher.hash(password, credentials === 'member' ? '' : credentials.address)
    if (hash === null) throw new EtcdError('tooManyRequests')
    return hash
  }
}
