import { authorize } from '../auth/authorize.ts'
import type { Caller } from '../auth/caller.ts'
import type { Operation } from '../auth/operation.ts'
import { EtcdError } from '../errors.ts'
import { accessOf, badToken, judgementOf } from './access.ts'
import type { Call } from './call.ts'
import type { Member } from './member.ts'
import type { VerifiedToken } from './signed-tokens.ts'

/** A call while it goes on. */
export interface HeldCall {
  /** The call, with the caller that it began with: that its token has expired since does not matter, unless it is a signed one. */
  readonly call: Call
  /** Repeatable. */
  release(): void
}

interface Held {
  readonly call: Call
  /** Null: auth was off when the call began. */
  caller: Caller | null
  /** What it showed, if that ends by itself. */
  signed: VerifiedToken | null
  readonly needs: () => Operation
  readonly end: (error: EtcdError) => void
}

/** Longer than any timer of the system runs; no token lives so long. */
const timerMsMax = 2 ** 31 - 1

/**
 * The calls of one serving thread that go on for longer than the judgement at their beginning is good for: they wait, or tell
 * what happens. When the rules change each is judged again, and ended if its caller may no longer; when a signed token expires,
 * what was begun with it ends.
 */
export class LiveCalls {
  readonly #member: Member
  readonly #held = new Set<Held>()
  #unsubscribe: (() => void) | null = null

  constructor(member: Member) {
    this.#member = member
  }

  /** For tests. */
  get size(): number {
    return this.#held.size
  }

  /**
   * @param needs what the caller must be allowed for as long as the call goes on; asked again at each judgement.
   * @param end is called once, never from within this call, if the caller may no longer.
   * @throws EtcdError userEmpty, invalidAuthToken, permissionDenied.
   */
  hold(call: Call, needs: () => Operation, end: (error: EtcdError) => void): HeldCall {
    if (call.credentials === 'member') return { call, release: () => {} }
    const held: Held = { call, caller: null, signed: null, needs, end }
    const denial = this.#denial(held)
    if (denial !== null) throw denial
    this.#held.add(held)
    this.#unsubscribe ??= this.#subscribe()
    const expiry = this.#expiryOf(held, () => this.#endCall(held, new EtcdError('invalidAuthToken')))
    return {
      call: {
        get ended() {
          return call.ended
        },
        onEnd: (callback) => call.onEnd(callback),
        credentials: call.credentials,
        audit: call.audit ?? null,
        get caller() {
          return held.caller
        },
      },
      release: () => {
        clearTimeout(expiry)
        this.#forget(held)
      },
    }
  }

  #subscribe(): () => void {
    const rules = this.#member.onRulesChanged(() => this.#judge())
    const keys = accessOf(this.#member).onKeysChanged(() => this.#judge())
    return () => {
      rules()
      keys()
    }
  }

  #judge(): void {
    for (const held of [...this.#held]) {
      const denial = this.#denial(held)
      if (denial !== null) this.#endCall(held, denial)
    }
  }

  /** Why it cannot go on, which the audit trail is told. */
  #denial(held: Held): EtcdError | null {
    const { needs } = held
    const { audit } = held.call
    const access = accessOf(this.#member)
    return this.#member.read((view) => {
      const rules = access.rules(view)
      if (!rules.enabled) return null
      try {
        if (held.caller === null) {
          held.caller = access.identify(rules, view, held.call)
          held.signed = access.shown(held.call)?.signed ?? null
        }
        if (held.signed !== null && !access.trusts(held.signed)) throw new EtcdError('invalidAuthToken')
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error
        audit?.judged(needs, needs(), badToken)
        return error
      }
      const needed = needs()
      const denial = authorize(rules, view, held.caller, needed)
      if (denial === null) return null
      audit?.judged(needs, needed, judgementOf(rules, view, held.caller, denial.rule, needed.kind))
      return new EtcdError(denial.reason, { cause: denial.rule })
    })
  }

  #expiryOf({ signed }: Held, expired: () => void): NodeJS.Timeout | undefined {
    if (signed === null) return undefined
    const leftMs = Math.min(timerMsMax, Math.max(0, signed.expiresMs - Date.now()))
    return setTimeout(expired, leftMs).unref()
  }

  #endCall(held: Held, error: EtcdError): void {
    if (!this.#held.has(held)) return
    this.#forget(held)
    held.end(error)
  }

  #forget(held: Held): void {
    this.#held.delete(held)
    if (this.#held.size > 0) return
    this.#unsubscribe?.()
    this.#unsubscribe = null
  }
}

const ofMember = new WeakMap<Member, LiveCalls>()

/** Those of the member, made when they are first asked for. */
export function liveCallsOf(member: Member): LiveCalls {
  let calls = ofMember.get(member)
  if (calls === undefined) {
    calls = new LiveCalls(member)
    ofMember.set(member, calls)
  }
  return calls
}
