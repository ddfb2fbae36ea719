import { randomUUID } from 'node:crypto'
import { compactVerify, SignJWT } from 'jose'
import { scopeClaim } from '../auth/scope.ts'
import { limits } from '../base/limits.ts'
import type { Log } from '../base/log.ts'
import type { TokensConfig } from '../config/token-settings.ts'
import { type FileWatch, watchFiles } from '../security/file-watch.ts'
import { Turns } from '../security/turns.ts'
import type { NewToken, TokenKeys, VerifiedToken } from '../service/signed-tokens.ts'
import { type OwnExpectations, ownClaims, readOutsideClaims, readOwnClaims } from './claims.ts'
import { type CompactToken, readCompact } from './compact-token.ts'
import { hasKey, type KeySet, keySetText, type VerificationKey } from './key-set.ts'
import { OutsideKeys } from './outside-keys.ts'
import { type OwnKeys, readOwnKeys } from './own-keys.ts'
import type { SigningKey } from './signing-key.ts'

const noKeys: OwnKeys = { signing: null, verifying: new Map() }
/** Where what nobody sent has its turn. */
const ours = 'ours'

/** Issues and verifies the tokens of the cluster's own keys, and verifies those of an issuer elsewhere. */
export class TokenAuthority implements TokenKeys {
  readonly #config: TokensConfig
  readonly #own: OwnExpectations | null
  readonly #log: Log
  /** Signatures are made and checked by threads that the log's writes need, too. */
  readonly #turns = new Turns(limits.tokenSignaturesAtOnceMax)
  #keys: OwnKeys = noKeys
  #outside: OutsideKeys | null = null
  #watch: FileWatch | null = null
  #generation = 0
  readonly #listeners = new Set<() => void>()

  private constructor(config: TokensConfig, audience: string, log: Log) {
    this.#config = config
    this.#log = log
    this.#own = config.own === null ? null : { ...config.own, audience: config.own.audience ?? audience }
  }

  /**
   * @param audience of the cluster's own tokens, unless the configuration says another.
   * @throws TokenKeyError if a file cannot be used; nothing is left running then.
   */
  static async open(config: TokensConfig, audience: string, log: Log): Promise<TokenAuthority> {
    const authority = new TokenAuthority(config, audience, log)
    try {
      await authority.#start()
      return authority
    } catch (error) {
      authority.close()
      throw error
    }
  }

  async #start(): Promise<void> {
    const { own, outside } = this.#config
    if (own !== null) {
      const files = [own.signingKeyFile, own.keysFile].filter((file) => file !== null)
      this.#watch = watchFiles(files, limits.tokenKeyFilesLookedAtMs, () => void this.#reload(own))
      this.#keys = await readOwnKeys(own)
    }
    if (outside !== null) {
      this.#outside = new OutsideKeys(outside, this.#log, () => this.#changed())
      await this.#outside.start()
    }
  }

  async #reload(config: NonNullable<TokensConfig['own']>): Promise<void> {
    try {
      this.#keys = await readOwnKeys(config)
      this.#changed()
      const signing = this.#keys.signing?.verification.id ?? null
      this.#log.info('read the keys of tokens again', { keys: [...this.#keys.verifying.keys()], signing })
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#log.error('cannot use the new keys of tokens: those from before are kept', { reason })
    }
  }

  #changed(): void {
    this.#generation++
    for (const listener of this.#listeners) listener()
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get generation(): number {
    return this.#generation
  }

  trusts({ isOurs, key }: VerifiedToken): boolean {
    return hasKey(isOurs ? this.#keys.verifying : (this.#outside?.current ?? noKeys.verifying), key)
  }

  get lifetimeMsMax(): number {
    return this.#own?.lifetimeMsMax ?? 0
  }

  close(): void {
    this.#watch?.stop()
    this.#outside?.close()
  }

  published(): string {
    return keySetText(this.#keys.verifying)
  }

  claims(token: string): boolean {
    const read = readCompact(token)
    return read !== null && this.#issuerOf(read) !== null
  }

  async verify(token: string, source = ours): Promise<VerifiedToken | null> {
    const read = readCompact(token)
    const issuer = read === null ? null : this.#issuerOf(read)
    if (read === null || issuer === null) return null
    const id = read.header.get('kid')
    if (id !== undefined && typeof id !== 'string') return null
    // Nothing that a header may insist on is understood here.
    if (read.header.has('crit')) return null
    const keys = issuer === 'own' ? this.#keys.verifying : await this.#outside!.withKey(id ?? null)
    const key = keyOf(keys, id, issuer)
    const algorithm = read.header.get('alg')
    if (key === null || typeof algorithm !== 'string' || !key.algorithms.includes(algorithm)) return null
    if (!(await this.#turns.run(source, () => isSignedBy(token, key, algorithm)))) return null
    const { outside } = this.#config
    return issuer === 'own'
      ? readOwnClaims(read, key.thumbprint, this.#own!, Date.now())
      : readOutsideClaims(read, key.thumbprint, outside!, Date.now())
  }

  #issuerOf({ payload }: CompactToken): 'own' | 'outside' | null {
    const issuer = payload.get('iss')
    if (typeof issuer !== 'string') return null
    if (issuer === this.#own?.issuer) return 'own'
    return issuer === this.#config.outside?.issuer ? 'outside' : null
  }

  async sign(token: NewToken): Promise<{ readonly token: string; readonly id: string } | null> {
    const { signing } = this.#keys
    if (signing === null || this.#own === null) return null
    const own = this.#own
    return this.#turns.run(ours, () => signToken(signing, own, token, Math.floor(Date.now() / 1000)))
  }
}

/**
 * @param nowSeconds with a fraction, if the token does not say a revision: what ends tokens of a user without one ends those of
 *   earlier milliseconds.
 */
export async function signToken(
  { key, algorithm, verification }: SigningKey,
  { issuer, audience }: Pick<OwnExpectations, 'issuer' | 'audience'>,
  token: NewToken,
  nowSeconds: number,
): Promise<{ readonly token: string; readonly id: string }> {
  const id = randomUUID()
  const { revision, userId, groups, ancestors, scope, certificate } = token
  const claims = {
    iss: issuer,
    aud: audience,
    sub: token.name,
    jti: id,
    iat: nowSeconds,
    nbf: nowSeconds,
    exp: Math.floor(token.expiresMs / 1000),
    ...(scope === null ? {} : { [ownClaims.scope]: scopeClaim(scope) }),
    ...(certificate === null ? {} : { cnf: { 'x5t#S256': certificate } }),
    ...(revision === null ? {} : { [ownClaims.revision]: revision }),
    ...(userId === null ? {} : { [ownClaims.userId]: userId }),
    ...(groups === null ? {} : { [ownClaims.groups]: groups }),
    ...(ancestors.length === 0 ? {} : { [ownClaims.ancestors]: ancestors }),
  }
  const header = { alg: algorithm, typ: 'at+jwt', kid: verification.id }
  return { token: await new SignJWT(claims).setProtectedHeader(header).sign(key), id }
}

/** A token of our own names its key. Elsewhere it may leave that out where there is only one to mean. */
function keyOf(keys: KeySet, id: string | undefined, issuer: 'own' | 'outside'): VerificationKey | null {
  if (id !== undefined) return keys.get(id) ?? null
  const [only, ...others] = keys.values()
  return issuer === 'outside' && only !== undefined && others.length === 0 ? only : null
}

/** No key and no address in a token's header is looked at. */
async function isSignedBy(token: string, { key }: VerificationKey, algorithm: string): Promise<boolean> {
  try {
    await compactVerify(token, key, { algorithms: [algorithm] })
    return true
  } catch {
    // Of a token there is nothing that may be logged, and nothing that the caller should learn.
    return false
  }
}
