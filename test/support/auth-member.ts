import { memberCaller } from '../../src/auth/caller.ts'
import type { RuleChange } from '../../src/auth/change.ts'
import { getUser } from '../../src/auth/records.ts'
import type { EtcdErrorReason } from '../../src/errors.ts'
import { hashOfToken } from '../../src/service/known-tokens.ts'
import { randomLetters } from '../../src/service/login.ts'
import { AuthChange } from '../../src/wire/gen/internal.ts'
import { LoneMember } from './lone-member.ts'

/** A member that is its whole cluster, with users and tokens made behind the Auth service's back. */
export class AuthMember extends LoneMember {
  async change(...changes: readonly RuleChange[]): Promise<void> {
    for (const change of changes) await this.#propose(change)
  }

  /** A token as a login gives it. @param ttlMs from now; negative: it has expired already. */
  async token(user: string, ttlMs = 300_000): Promise<string> {
    const { id, tokens_since } = getUser(this.view, user)!
    const letters = randomLetters()
    const now = Date.now()
    const issued = {
      ...{ user_id: id, tokens_since, hash: hashOfToken(letters) },
      ...(ttlMs < 0 ? { now_ms: BigInt(now + ttlMs), ttl_ms: 0n } : { now_ms: BigInt(now), ttl_ms: BigInt(ttlMs) }),
    }
    return `${letters}.${Buffer.from(await this.#propose({ $case: 'issue_token', value: issued })).toString()}`
  }

  async #propose(change: NonNullable<AuthChange['change']>): Promise<Uint8Array> {
    const outcome = await this.propose('auth', AuthChange.encode({ change }).finish(), memberCaller)
    if (!outcome.ok) throw new Error(`${change.$case}: ${outcome.reason satisfies EtcdErrorReason}`)
    return outcome.body
  }
}
