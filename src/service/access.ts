import type { Judgement } from '../audit/call-audit.ts'
import { AccessRules } from '../auth/access-rules.ts'
import { authorize } from '../auth/authorize.ts'
import { anonymous, type Caller, memberCaller, stranger } from '../auth/caller.ts'
import type { Operation } from '../auth/operation.ts'
import { EtcdError } from '../errors.ts'
import type { ReadView } from '../mvcc/view.ts'
import type { Call } from './call.ts'
import { type JwtKeys, KnownJwts } from './known-jwts.ts'
import { KnownTokens } from './known-tokens.ts'
import type { Member } from './member.ts'
import { SignedTokens, type TokenKeys, type VerifiedToken } from './signed-tokens.ts'
import type { ShownToken, TokenKind } from './token-kind.ts'
import { TokenKinds } from './token-kinds.ts'

const noop = (): void => {}

/** Who may do what, as one serving thread knows it. */
export class Access {
  readonly #member: Member
  readonly #rules = new AccessRules()
  #tokens: TokenKind
  /** Null: no signed tokens but those that users log in for. */
  #keys: TokenKeys | null = null

  constructor(member: Member) {
    this.#member = member
    this.#tokens = new KnownTokens(member)
  }

  /** From now on tokens are signed ones. */
  useJwt(keys: JwtKeys): void {
    this.#tokens = new KnownJwts(this.#member, keys)
  }

  /** From now on signed tokens of these keys are taken, too. After `useJwt`. */
  useKeys(keys: TokenKeys): void {
    this.#keys = keys
    this.#tokens = new TokenKinds(this.#tokens, new SignedTokens(this.#member, keys))
  }

  get keys(): TokenKeys | null {
    return this.#keys
  }

  /** Calls back when keys of tokens have come or gone. Returns how to unsubscribe. */
  onKeysChanged(listener: () => void): () => void {
    return this.#keys?.onChange(listener) ?? noop
  }

  /** Whether the key of a token that was good still counts. */
  trusts(token: VerifiedToken): boolean {
    return this.#keys?.trusts(token) === true
  }

  /** The rules of `view`. */
  rules(view: ReadView): AccessRules {
    return this.#rules.at(view)
  }

  /**
   * Who calls, in a state in which users are told apart.
   *
   * @param rules of `view`.
   * @throws EtcdError invalidAuthToken. A token counts before a certificate, as in etcd.
   */
  identify(rules: AccessRules, view: ReadView, { credentials, caller = null }: Call): Caller {
    if (credentials === 'member') return memberCaller
    if (caller !== null) return caller
    if (credentials.token !== null) return this.#tokens.callerOf(rules, view, credentials.token, credentials)
    if (credentials.certificateName === null || credentials.certificateName === '') return anonymous
    const rights = rules.userNamed(view, credentials.certificateName)
    return rights === null ? stranger : { kind: 'user', id: Number(rights.user.id), token: null, scope: null }
  }

  /** What the token says with which the caller has just been identified; null if none came, or it was identified before. */
  shown({ credentials, caller = null }: Call): ShownToken | null {
    return caller !== null || credentials === 'member' || credentials.token === null
      ? null
      : this.#tokens.shown(credentials.token)
  }

  /** Null if this member can judge the call's token; else when it can: the token may be news to it. */
  whenTokenIsKnown({ credentials }: Call): Promise<void> | null {
    if (credentials === 'member' || credentials.token === null) return null
    return this.#tokens.whenKnown(credentials.token, credentials, () => this.#member.read((view) => this.rules(view)))
  }
}

const known = new WeakMap<Member, Access>()

/** That of the member, made when it is first asked for. */
export function accessOf(member: Member): Access {
  const found = known.get(member)
  if (found !== undefined) return found
  const access = new Access(member)
  known.set(member, access)
  return access
}

/**
 * Lets nobody go on who may not. With auth off everybody may, and whatever token came is not looked at.
 *
 * @param view that from which the caller is going to be answered, if it is a reader.
 * @returns the caller, for the log.
 * @throws EtcdError userEmpty, invalidAuthToken, permissionDenied.
 */
export function requireAccess(member: Member, view: ReadView, call: Call, operation: () => Operation): Caller {
  const access = accessOf(member)
  if (call.credentials === 'member') return memberCaller
  const { audit = null } = call
  const rules = access.rules(view)
  if (!rules.enabled) {
    audit?.judged(operation, operation(), authIsOff)
    return anonymous
  }
  let caller: Caller
  try {
    caller = access.identify(rules, view, call)
  } catch (error) {
    audit?.judged(operation, operation(), badToken)
    throw error
  }
  const needed = operation()
  const denial = authorize(rules, view, caller, needed)
  audit?.judged(operation, needed, judgementOf(rules, view, caller, denial?.rule ?? null, needed.kind))
  if (denial !== null) throw new EtcdError(denial.reason, { cause: denial.rule })
  return caller
}

/** For the audit trail. */
export const authIsOff: Judgement = { caller: anonymous, user: '', rule: 'auth is off', isDenied: false }
export const badToken: Judgement = { caller: null, user: '', rule: 'token is not good', isDenied: true }

/**
 * @param rules of `view`.
 * @param denied the rule that says no; null: the caller may.
 * @param needed what it was that was asked for.
 */
export function judgementOf(
  rules: AccessRules,
  view: ReadView,
  caller: Caller,
  denied: string | null,
  needed: string,
): Judgement {
  const isDenied = denied !== null
  if (caller.kind === 'user') {
    const rights = rules.user(view, caller.id)
    return {
      caller,
      user: rights?.user.name ?? '',
      rule: denied ?? (rights?.isRoot === true ? 'root' : needed),
      isDenied,
    }
  }
  return { caller, user: caller.kind === 'groups' ? caller.name : '', rule: denied ?? needed, isDenied }
}

/** The same by the newest state that this member has: for writes, which are judged again where they are applied. */
export const admit = (member: Member, call: Call, operation: () => Operation): Caller =>
  member.read((view) => requireAccess(member, view, call, operation))
