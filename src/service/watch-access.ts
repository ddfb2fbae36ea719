import { authorize } from '../auth/authorize.ts'
import type { Caller } from '../auth/caller.ts'
import { reading } from '../auth/operation.ts'
import type { KeyRange } from '../base/key-range.ts'
import { Code, EtcdError, type EtcdErrorReason, etcdErrors } from '../errors.ts'
import type { ReadView } from '../mvcc/view.ts'
import type { Access } from './access.ts'
import type { Call } from './call.ts'

/** Whether the caller of a Watch call may watch, when a watch begins and again whenever the rules have changed. */
export class WatchAccess {
  readonly #call: Call
  /** As of the newest watch that began with auth on. */
  #caller: Caller | null = null

  constructor(call: Call) {
    this.#call = call
  }

  /** Why a watch of the range cannot begin; null: it can. */
  refusal(access: Access, view: ReadView, range: KeyRange): EtcdErrorReason | null {
    if (!access.rules(view).enabled) return null
    this.#caller = null
    return this.denial(access, view, range)
  }

  /**
   * Why a watch of the range cannot go on; null: it can. A token that has only expired since was good when the watch began.
   */
  denial(access: Access, view: ReadView, range: KeyRange): EtcdErrorReason | null {
    const rules = access.rules(view)
    if (!rules.enabled) return null
    try {
      this.#caller ??= access.identify(rules, view, this.#call)
    } catch (error) {
      if (error instanceof EtcdError) return error.reason
      throw error
    }
    return authorize(rules, view, this.#caller, reading(range))?.reason ?? null
  }
}

const codeNames = new Map(Object.entries(Code).map(([name, code]) => [code, name]))

/** A refusal as the text of a watch response: clients look for what a gRPC error of etcd's looks like in Go. */
export function refusalText(reason: EtcdErrorReason): string {
  const { code, message } = etcdErrors[reason]
  return `rpc error: code = ${codeNames.get(code)} desc = ${message}`
}
