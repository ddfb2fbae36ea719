import { createHash } from 'node:crypto'
import type { AccessRules } from '../auth/access-rules.ts'
import { isTokenGood } from '../auth/authorize.ts'
import type { Caller, TokenMark } from '../auth/caller.ts'
import { getGroup } from '../auth/records.ts'
import type { Scope } from '../auth/scope.ts'
import { limits } from '../base/limits.ts'
import { EtcdError } from '../errors.ts'
import type { ReadView } from '../mvcc/view.ts'
import type { Credentials } from './call.ts'
import type { Member } from './member.ts'
import type { ShownToken, TokenKind } from './token-kind.ts'
import { Verifying } from './verifying.ts'

/** What a token says that a trusted key has signed, that is for this cluster, and whose time had not passed. */
export interface VerifiedToken {
  /** Thumbprint of the key that has signed it. */
  readonly key: string
  /** Whether it is of the cluster's own keys; else of the outside issuer. */
  readonly isOurs: boolean
  /** A user, or whoever the outside issuer speaks of. */
  readonly name: string
  /** Null: a user. */
  readonly groups: readonly string[] | null
  /** Null: it does not say which user of that name. */
  readonly userId: number | null
  /** By which it is revoked and recorded. */
  readonly id: string
  /** Ids of the tokens that it was derived from, nearest first. */
  readonly ancestors: readonly string[]
  /** Auth revision at its issue; null: it does not say. */
  readonly revision: number | null
  readonly scope: Scope | null
  /** Base64url of the SHA-256 of the only certificate with which it is good; null: with any, and without. */
  readonly certificate: string | null
  /** Wall clock, all three. */
  readonly issuedMs: number
  readonly notBeforeMs: number
  readonly expiresMs: number
}

/** What a new token is to say. It is given an id, and is good from now on. */
export interface NewToken
  extends Pick<
    VerifiedToken,
    'name' | 'groups' | 'userId' | 'revision' | 'ancestors' | 'scope' | 'certificate' | 'expiresMs'
  > {}

/** The keys of tokens, as `tokens/` has them. */
export interface TokenKeys {
  /** Another number whenever a key has come or gone: what was verified before may not be trusted any more. */
  readonly generation: number
  /** Calls back whenever that happens. Returns how to unsubscribe. */
  onChange(listener: () => void): () => void
  /** Whether the key that has signed it still counts. */
  trusts(token: VerifiedToken): boolean
  /** No token of these keys lives longer. */
  readonly lifetimeMsMax: number
  /** Whether a token claims to be one of these issuers'; tokens of all kinds come here, and what else may come as one. */
  claims(token: string): boolean
  /**
   * Null for one that is not good, for whatever reason.
   *
   * @param source within which tokens wait for each other before those of others wait for them.
   */
  verify(token: string, source: string): Promise<VerifiedToken | null>
  /** Null if there is no key to sign with. */
  sign(token: NewToken): Promise<{ readonly token: string; readonly id: string } | null>
  /** The keys that verify the cluster's own tokens, as a JWK set. */
  published(): string
}

/** By what a token is known where it is revoked: who reads the log learns no id. */
export const revocationIdOf = (id: string): Uint8Array => createHash('sha256').update(id).digest()

interface Known {
  readonly token: VerifiedToken
  readonly mark: TokenMark
  /** Who that is by the rules of this version; null: nobody yet. */
  caller: Caller | null
  version: number
  /** Of the keys by which it was last trusted. */
  generation: number
}

/**
 * The signed tokens that one serving thread has verified, until they expire or their key goes. What a token says is held
 * against the rules of each state anew whenever these have changed. Only good ones are remembered: bad ones, however many,
 * push nothing out.
 */
export class SignedTokens implements TokenKind {
  readonly keys: TokenKeys
  readonly #member: Member
  readonly #known = new Map<string, Known>()
  readonly #verifying = new Verifying()
  #bytes = 0

  constructor(member: Member, keys: TokenKeys) {
    this.#member = member
    this.keys = keys
  }

  has(token: string): boolean {
    return this.#known.has(token)
  }

  /** @throws EtcdError tooManyRequests. */
  whenKnown(token: string, credentials: Credentials, rulesNow: () => AccessRules): Promise<void> | null {
    if (this.#known.has(token) || !rulesNow().enabled) return null
    return this.#verifying.once(token, credentials, (source) => this.#verify(token, source, rulesNow))
  }

  async #verify(token: string, source: string, rulesNow: () => AccessRules): Promise<void> {
    const { generation } = this.keys
    const verified = await this.keys.verify(token, source)
    if (verified === null || !this.keys.trusts(verified)) return
    this.#remember(token, verified, generation)
    // It speaks of users that this member has not heard of yet. Whatever comes of it: the handler finds out in its turn.
    const { revision } = verified
    if (revision !== null && revision > Number(rulesNow().revision)) await this.#member.readBarrier().catch(() => {})
  }

  /** @throws EtcdError invalidAuthToken. */
  callerOf(rules: AccessRules, view: ReadView, token: string, credentials: Credentials): Caller {
    const known = this.#goodOne(token, credentials)
    if (known === null) throw new EtcdError('invalidAuthToken')
    if (known.caller === null || known.version !== rules.version) {
      known.caller = callerBy(rules, view, known)
      known.version = rules.version
    }
    if (known.caller === null) throw new EtcdError('invalidAuthToken')
    return known.caller
  }

  shown(token: string): ShownToken {
    const signed = this.#known.get(token)?.token ?? null
    if (signed === null) throw new EtcdError('invalidAuthToken')
    return { expiresMs: signed.expiresMs, signed }
  }

  #goodOne(token: string, { certificateSha256 }: Credentials): Known | null {
    const known = this.#known.get(token)
    if (known === undefined) return null
    if (Date.now() >= known.token.expiresMs || !this.#isTrusted(known)) {
      this.#forget(token)
      return null
    }
    const { certificate } = known.token
    return certificate === null || certificate === certificateSha256 ? known : null
  }

  #isTrusted(known: Known): boolean {
    const { generation } = this.keys
    if (known.generation === generation) return true
    known.generation = generation
    return this.keys.trusts(known.token)
  }

  #remember(token: string, verified: VerifiedToken, generation: number): void {
    const { revision, issuedMs, id, ancestors } = verified
    const mark = { revision, issuedMs, ids: [id, ...ancestors].map(revocationIdOf) }
    this.#forget(token)
    this.#known.set(token, { token: verified, mark, caller: null, version: -1, generation })
    this.#bytes += bytesOf(token)
    while (this.#known.size > limits.authTokensRememberedMax || this.#bytes > limits.signedTokensRememberedBytesMax) {
      this.#forget(this.#known.keys().next().value!)
    }
  }

  #forget(token: string): void {
    if (this.#known.delete(token)) this.#bytes -= bytesOf(token)
  }
}

/** Its text, and what was read of it. */
const bytesOf = (token: string): number => 1024 + 4 * token.length

/** Null if the token is nobody's by these rules: its user is gone, another one of that name, or it is void. */
function callerBy(rules: AccessRules, view: ReadView, { token, mark }: Known): Caller | null {
  const { name, groups, userId, scope } = token
  if (groups !== null) {
    const meant = groups.filter((group) => getGroup(view, group) !== null).slice(0, limits.callerGroupsMax)
    return { kind: 'groups', name, groups: meant, token: mark, scope }
  }
  const rights = rules.userNamed(view, name)
  if (rights === null || !isTokenGood(rules, rights, mark)) return null
  const id = Number(rights.user.id)
  return userId === null || userId === id ? { kind: 'user', id, token: mark, scope } : null
}
