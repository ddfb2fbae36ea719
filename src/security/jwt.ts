import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto'
import { statSync } from 'node:fs'
import { jwtVerify, SignJWT } from 'jose'
import { limits } from '../base/limits.ts'
import type { JwtConfig } from '../config/auth-token.ts'
import { readBounded, readingProblem } from '../files/read-bounded.ts'
import { keyProblem } from './token-algorithms.ts'
import { Turns } from './turns.ts'

/** What is wrong with the keys, in one line that names the file. */
export class JwtKeyError extends Error {
  override readonly name = 'JwtKeyError'
}

/** What a token says that was signed with the right key and has not expired. */
export interface JwtClaims {
  readonly username: string
  /** Of the users and permissions when it was issued. */
  readonly revision: number
  /** Wall clock. */
  readonly expiresMs: number
}

/** No token is taken for longer than this, whoever issued it. */
const lifetimeMsMax = 24 * 60 * 60 * 1000
const clockToleranceMs = 60_000
/** Long enough to be looked at, however busy the machine is; the lifetime of a user's token may be a second. */
const selfTestMs = 60 * 60 * 1000
/** Where what nobody sent has its turn. */
const ours = 'ours'

/** Issues and verifies JSON Web Tokens with one key and one algorithm, which a token cannot choose. */
export class Jwt {
  readonly #algorithm: string
  readonly #publicKey: KeyObject
  readonly #privateKey: KeyObject | null
  readonly #ttlMs: number
  /** Signatures are made and checked by threads that the log's writes need, too. */
  readonly #turns = new Turns(limits.tokenSignaturesAtOnceMax)

  private constructor(config: JwtConfig, publicKey: KeyObject, privateKey: KeyObject | null) {
    this.#algorithm = config.algorithm
    this.#publicKey = publicKey
    this.#privateKey = privateKey
    this.#ttlMs = config.ttlSeconds * 1000
  }

  /** @throws JwtKeyError also if the two keys are not a pair. */
  static async open(config: JwtConfig): Promise<Jwt> {
    const { algorithm, publicKeyFile, privateKeyFile } = config
    const isSecret = algorithm.startsWith('HS')
    const privateKey = privateKeyFile === null ? null : readKey(privateKeyFile, isSecret ? 'secret' : 'private')
    const verifying = publicKeyFile === null ? null : readKey(publicKeyFile, isSecret ? 'secret' : 'public')
    const publicKey = verifying ?? (isSecret ? privateKey : privateKey && createPublicKey(privateKey))
    if (publicKey === null) throw new JwtKeyError('no key to verify tokens with')
    for (const [key, file] of [
      [publicKey, publicKeyFile ?? privateKeyFile],
      [privateKey, privateKeyFile],
    ] as const) {
      const problem = key === null ? null : keyProblem(key, algorithm)
      if (problem !== null) throw new JwtKeyError(`${file}: ${problem}`)
    }
    const jwt = new Jwt(config, publicKey, privateKey)
    const token = await jwt.#issue('self-test', 1, selfTestMs)
    if (token !== null && (await jwt.verify(token)) === null) {
      throw new JwtKeyError(`${publicKeyFile} is not the public key of ${privateKeyFile}`)
    }
    return jwt
  }

  /** @returns null if there is only a key to verify with. */
  sign(username: string, revision: number): Promise<string | null> {
    return this.#issue(username, revision, this.#ttlMs)
  }

  async #issue(username: string, revision: number, lifetimeMs: number): Promise<string | null> {
    const privateKey = this.#privateKey
    if (privateKey === null) return null
    const nowMs = Date.now()
    const token = new SignJWT({ username, revision })
      .setProtectedHeader({ alg: this.#algorithm, typ: 'JWT' })
      .setIssuedAt(Math.floor(nowMs / 1000))
      // Up to a second more, as in etcd: rounded down, a token for a second could have ended when it is first shown.
      .setExpirationTime(Math.ceil((nowMs + lifetimeMs) / 1000))
    return this.#turns.run(ours, () => token.sign(privateKey))
  }

  /**
   * @param source each has its turn.
   * @returns null for a token that is not good, for whatever reason.
   */
  async verify(token: string, source = ours): Promise<JwtClaims | null> {
    try {
      const expected = { algorithms: [this.#algorithm], requiredClaims: ['exp', 'username', 'revision'] }
      const { payload } = await this.#turns.run(source, () => jwtVerify(token, this.#publicKey, expected))
      const { username, revision, exp, iat } = payload
      const nowMs = Date.now()
      if (typeof username !== 'string' || username === '') return null
      if (typeof revision !== 'number' || !Number.isSafeInteger(revision) || revision < 0) return null
      if (exp === undefined || exp * 1000 > nowMs + lifetimeMsMax + clockToleranceMs) return null
      if (iat !== undefined && iat * 1000 > nowMs + clockToleranceMs) return null
      return { username, revision, expiresMs: Math.floor(exp * 1000) }
    } catch {
      // Of a token there is nothing that may be logged, and nothing that the caller should learn.
      return null
    }
  }
}

function readKey(path: string, kind: 'public' | 'private' | 'secret'): KeyObject {
  try {
    if (kind !== 'public' && (statSync(path).mode & 0o077) !== 0) {
      throw new JwtKeyError(`${path}: others may read it: chmod 600`)
    }
    const bytes = readBounded(path, limits.smallFileBytesMax, 'regular')
    if (kind === 'secret') return createSecretKey(bytes)
    return kind === 'public' ? createPublicKey(bytes) : createPrivateKey(bytes)
  } catch (error) {
    if (error instanceof JwtKeyError) throw error
    // The text of a failure to parse could quote the key.
    throw new JwtKeyError(`${path}: not a ${kind} key: ${readingProblem(error)}`, { cause: error })
  }
}
