import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { RuleChange } from '../../src/auth/change.ts'
import { getSettings, getUser } from '../../src/auth/records.ts'
import type { ScopeVerb } from '../../src/auth/scope.ts'
import { scopeOf } from '../../src/auth/scope.ts'
import { rangeFromWire } from '../../src/base/key-range.ts'
import { silentLog } from '../../src/base/log.ts'
import { accessOf } from '../../src/service/access.ts'
import type { NewToken } from '../../src/service/signed-tokens.ts'
import { revocationIdOf } from '../../src/service/signed-tokens.ts'
import { TokenAuthority } from '../../src/tokens/token-authority.ts'
import type { AuthMember } from './auth-member.ts'
import { encodeChange, memberCaller } from './auth-tables.ts'
import type { Identity } from './certificates.ts'
import { bytes } from './commands.ts'
import { forge, type MadeKey, makeKey, pemOf, setText, unsigned } from './token-keys.ts'

const issuer = 'leasehold'
const audience = 'cluster'
const outsideIssuer = 'https://issuer.example'
const rangeVerbs = ['read', 'write']
const allKeys = rangeFromWire(bytes('\0'), bytes('\0'))

/** Signed tokens for a member, good and bad, and those of an outside issuer whose group `dev` has the role `right`. */
export class AccessTokens {
  readonly authority: TokenAuthority
  readonly #member: AuthMember
  readonly #key: MadeKey
  readonly #outsideKey: MadeKey

  private constructor(member: AuthMember, authority: TokenAuthority, key: MadeKey, outsideKey: MadeKey) {
    this.#member = member
    this.authority = authority
    this.#key = key
    this.#outsideKey = outsideKey
  }

  /** @param write makes a file and says where it is. */
  static async of(member: AuthMember, write: (name: string, text: string) => string): Promise<AccessTokens> {
    const [key, outsideKey] = await Promise.all([makeKey(), makeKey('ES256')])
    const own = {
      signingKeyFile: write('token.key', pemOf(key)),
      ...{ keysFile: null, issuer, audience, lifetimeMsMax: 900_000 },
    }
    const outside = {
      ...{ issuer: outsideIssuer, audience, nameClaim: 'sub', groupsClaim: 'groups', groupsPrefix: 'oidc:' },
      keys: { kind: 'file' as const, file: write('outside.json', setText(outsideKey)) },
    }
    const authority = await TokenAuthority.open({ own, outside }, audience, silentLog)
    accessOf(member).useKeys(authority)
    return new AccessTokens(member, authority, key, outsideKey)
  }

  get outsideGroup(): RuleChange {
    return {
      $case: 'apply_policy',
      value: {
        expected_revision: getSettings(this.#member.view).revision,
        ...{ put_roles: [], delete_roles: [], put_users: [], delete_users: [], delete_groups: [] },
        put_groups: [{ name: 'oidc:dev', roles: ['right'] }],
        now_ms: 1n,
      },
    }
  }

  /** @param verbs of its scope, for all keys. */
  async signed(name: string, verbs: readonly ScopeVerb[] | null = null, more: Partial<NewToken> = {}) {
    const onKeys = verbs?.filter((verb) => rangeVerbs.includes(verb)) ?? []
    const ofMethods = verbs?.filter((verb) => !rangeVerbs.includes(verb)) ?? []
    const entries = [
      ...(onKeys.length > 0 ? [{ verbs: onKeys, range: allKeys }] : []),
      ...(ofMethods.length > 0 ? [{ verbs: ofMethods, range: null }] : []),
    ]
    const signed = await this.authority.sign({
      ...{ name, groups: null, userId: Number(getUser(this.#member.view, name)!.id), ancestors: [], certificate: null },
      revision: Number(getSettings(this.#member.view).revision),
      scope: verbs === null ? null : scopeOf(entries),
      expiresMs: Date.now() + 600_000,
      ...more,
    })
    return signed!
  }

  /** One with a range on which nobody but root has a right. */
  async elsewhere(name: string): Promise<string> {
    const range = rangeFromWire(bytes('nowhere'), new Uint8Array(0))
    return (await this.signed(name, null, { scope: scopeOf([{ verbs: ['read', 'write'], range }]) })).token
  }

  outside(over: object = {}): string {
    const now = Date.now() / 1000
    const claims = {
      iss: outsideIssuer,
      aud: audience,
      sub: 'olga',
      iat: now,
      exp: now + 600,
      jti: 'o',
      groups: ['dev'],
    }
    return forge(this.#outsideKey, { alg: 'ES256', kid: this.#outsideKey.verification.id }, { ...claims, ...over })
  }

  /** Tokens of root's that are not good, by what is wrong with them. */
  async bad(): Promise<Record<string, string>> {
    const now = Date.now() / 1000
    const header = { alg: 'EdDSA', kid: this.#key.verification.id }
    const claims = { iss: issuer, aud: audience, sub: 'root', iat: now, exp: now + 600, jti: 'forged' }
    const forged = (over: object, head: object = header): string => forge(this.#key, head, { ...claims, ...over })
    const revoked = await this.signed('root')
    const child = await this.signed('root', null, { ancestors: [revoked.id] })
    const value = {
      id: revocationIdOf(revoked.id),
      expires_ms: BigInt(Date.now() + 900_000),
      now_ms: BigInt(Date.now()),
    }
    await this.#member.propose('auth', encodeChange({ $case: 'revoke_token', value }), memberCaller)
    const [head = '', body = '', signature = ''] = (await this.signed('none')).token.split('.')
    return {
      'signed, that has expired': forged({ iat: now - 600, exp: now - 120 }),
      'signed, that is not valid yet': forged({ nbf: now + 600 }),
      'signed, for another cluster': forged({ aud: 'another' }),
      'signed, of another issuer': forged({ iss: 'https://elsewhere.example' }),
      'signed, that lasts too long': forged({ exp: now + 30 * 86_400 }),
      'signed, that insists on what nobody knows': forged({}, { ...header, crit: ['x'], x: 1 }),
      'signed by another key': forge(await makeKey(), header, claims),
      'with no signature': unsigned({ alg: 'none' }, claims),
      'with a signature of something else': `${head}.${body.split('').reverse().join('')}.${signature}`,
      'signed by the outside issuer in our name': forge(this.#outsideKey, { alg: 'ES256' }, claims),
      'of nobody who is a user': forged({ sub: 'no-such-user' }),
      'signed, that is revoked': revoked.token,
      'derived from one that is revoked': child.token,
      'bound to another certificate': (await this.signed('root', null, { certificate: 'A'.repeat(43) })).token,
    }
  }
}

export const thumbprintOf = ({ certFile }: Identity): string =>
  createHash('sha256')
    .update(new X509Certificate(readFileSync(certFile)).raw)
    .digest('base64url')
