import type { Judgement, WatchEvent } from '../audit/call-audit.ts'
import type { AccessRules, Rights } from '../auth/access-rules.ts'
import { authorize } from '../auth/authorize.ts'
import type { Caller } from '../auth/caller.ts'
import type { Interval } from '../auth/intervals.ts'
import { known, reading } from '../auth/operation.ts'
import { equalBytes } from '../base/bytes.ts'
import type { KeyRange } from '../base/key-range.ts'
import { codeNameOf, EtcdError, type EtcdErrorReason, etcdErrors } from '../errors.ts'
import type { ReadView } from '../mvcc/view.ts'
import { type Access, authIsOff, badToken, judgementOf } from './access.ts'
import type { Call } from './call.ts'
import type { VerifiedToken } from './signed-tokens.ts'

/** Whether the caller of a Watch call may watch, when a watch begins and again whenever the rules have changed. */
export class WatchAccess {
  readonly #call: Call
  /** As of the newest watch that began with auth on. */
  #caller: Caller | null = null
  /** What it showed, if that ends by itself. */
  #signed: VerifiedToken | null = null
  /** By which every watch of the call was found good; null: not all by the same. */
  #grounds: Grounds | null = null
  /** The newest one. */
  #judgement: Judgement = authIsOff

  constructor(call: Call) {
    this.#call = call
  }

  /** @throws EtcdError invalidAuthToken. */
  #callerBy(access: Access, rules: AccessRules, view: ReadView): Caller {
    if (this.#caller === null) {
      this.#caller = access.identify(rules, view, this.#call)
      this.#signed = access.shown(this.#call)?.signed ?? null
    }
    if (this.#signed !== null && (Date.now() >= this.#signed.expiresMs || !access.trusts(this.#signed))) {
      throw new EtcdError('invalidAuthToken')
    }
    return this.#caller
  }

  /** When watches have to be judged again, whether the rules change or not. */
  get expiresMs(): number | null {
    return this.#signed?.expiresMs ?? null
  }

  /** Why a watch of the range cannot begin; null: it can. */
  refusal(access: Access, view: ReadView, range: KeyRange): EtcdErrorReason | null {
    const caller = this.#caller
    const signed = this.#signed
    this.#caller = null
    const reason = this.denial(access, view, range)
    if (reason === null || this.#caller !== null) return reason
    // That a token has expired since is nothing to what was begun while it was good.
    this.#caller = caller
    this.#signed = signed
    // The thread remembers only so many signed ones. One that it has forgotten is as good as it was, if the rules say so.
    return signed === null ? reason : this.denial(access, view, range)
  }

  /**
   * Notes by what a watch was allowed to begin, or all of them to go on.
   *
   * @param isAll what was judged is all there is.
   */
  settle(access: Access, view: ReadView, isAll: boolean): void {
    const grounds = this.#groundsBy(access, view)
    const isSame = grounds !== null && this.#grounds !== null && areSame(grounds, this.#grounds)
    if (!isSame) this.#grounds = isAll ? grounds : null
  }

  /** Whether all watches may go on because nothing has changed that they depend on: they need not be judged one by one. */
  stands(access: Access, view: ReadView): boolean {
    if (this.#grounds === null) return false
    const grounds = this.#groundsBy(access, view)
    return grounds !== null && areSame(grounds, this.#grounds)
  }

  /** Null: auth is off, or it is nobody who may anything. */
  #groundsBy(access: Access, view: ReadView): Grounds | null {
    const rules = access.rules(view)
    if (!rules.enabled) return null
    let caller: Caller
    try {
      caller = this.#callerBy(access, rules, view)
    } catch (error) {
      if (error instanceof EtcdError) return null
      throw error
    }
    if (authorize(rules, view, caller, known) !== null) return null
    if (caller.kind === 'user') return rules.user(view, caller.id)
    return caller.kind === 'groups' ? rules.groups(view, caller.groups) : null
  }

  /**
   * Why a watch of the range cannot go on; null: it can. A login's token that has only expired since was good when the watch
   * began; what was begun with a signed one ends with it.
   */
  denial(access: Access, view: ReadView, range: KeyRange): EtcdErrorReason | null {
    const rules = access.rules(view)
    if (!rules.enabled) {
      this.#judgement = authIsOff
      return null
    }
    try {
      this.#caller = this.#callerBy(access, rules, view)
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error
      // Whose it was is still worth knowing.
      this.#judgement = { ...badToken, user: this.#judgement.user }
      return error.reason
    }
    const denial = authorize(rules, view, this.#caller, reading(range))
    if (this.#call.audit != null) {
      this.#judgement = judgementOf(rules, view, this.#caller, denial?.rule ?? null, 'keys')
    }
    return denial?.reason ?? null
  }

  /** Notes what became of a watch by the judgement that was made last. */
  note(event: Exclude<WatchEvent, 'canceled'>, id: bigint, range: KeyRange): void {
    this.#call.audit?.watch(event, id, range, this.#judgement)
  }

  noteCanceled(id: bigint, range: KeyRange): void {
    this.#call.audit?.watch('canceled', id, range, { ...this.#judgement, rule: 'by the client', isDenied: false })
  }
}

/** What watches depend on, beside the scope of the token: that never changes. */
type Grounds = Pick<Rights, 'isRoot' | 'reads'>

const areSame = (a: Grounds, b: Grounds): boolean =>
  a.isRoot === b.isRoot && a.reads.length === b.reads.length && a.reads.every((each, at) => isSame(each, b.reads[at]!))

const isSame = (a: Interval, b: Interval): boolean =>
  equalBytes(a.start, b.start) && (a.end === null || b.end === null ? a.end === b.end : equalBytes(a.end, b.end))

/** A refusal as the text of a watch response: clients look for what a gRPC error of etcd's looks like in Go. */
export function refusalText(reason: EtcdErrorReason): string {
  const { code, message } = etcdErrors[reason]
  return `rpc error: code = ${codeNameOf(code)} desc = ${message}`
}
