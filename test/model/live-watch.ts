import type { Event } from '../../src/wire/gen/kv.ts'
import { WatchRequest, WatchResponse } from '../../src/wire/gen/rpc.ts'
import type { RpcStream } from '../differential/rpc-client.ts'
import { bytes } from '../support/commands.ts'
import type { TestMember } from '../support/member.ts'
import type { AuthModel } from './auth-model.ts'
import { describeRange, hasKey, type WireRange } from './keys.ts'
import type { Caller, Denial, Who } from './rules.ts'

/** One change of one key. */
export interface Change {
  readonly revision: number
  readonly key: string
  readonly text: string
}

export const changeOf = ({ type, kv }: Event): Change => {
  const revision = Number(kv!.mod_revision)
  const key = Buffer.from(kv!.key).toString('latin1')
  const value = Buffer.from(kv!.value).toString('latin1')
  return { revision, key, text: `${revision} ${type === 0 ? 'put' : 'delete'} ${JSON.stringify(key)} ${value}` }
}

export interface WatchPlan {
  readonly member: TestMember
  readonly who: Who
  readonly range: WireRange
  /** 0: from now on. */
  readonly startRevision: number
}

const answerMsMax = 10_000

/** A watch of a real member, what has come of it, and what the rules say of it. */
export class LiveWatch {
  readonly plan: WatchPlan
  readonly changes: Change[] = []
  canceled: string | null = null
  /** Why it did not begin; null: it did. */
  refusal: string | null = null
  /** First revision that it has to deliver. */
  from = 0
  /** Its member died. */
  lost = false
  /** Revision of the data when its rights ended first: nothing later is its to deliver. Null: they have not. */
  rightsEndedAt: number | null = null
  /** It got its rights back before it was seen to end: a member that lagged has never known that they were gone. */
  mayHaveGoneOn = false
  readonly #stream: RpcStream
  #read = 0
  #created = false
  /** Whose it is, once that is settled: with auth off it is not. */
  #caller: Caller | null = null

  constructor(plan: WatchPlan, stream: RpcStream, model: AuthModel) {
    this.plan = plan
    this.#stream = stream
    const caller = model.enabled ? model.identify(plan.who) : null
    if (typeof caller !== 'string') this.#caller = caller
    const { key, end } = plan.range
    const value = {
      ...{ key: bytes(key), range_end: bytes(end), start_revision: BigInt(plan.startRevision), watch_id: 0n },
      ...{ progress_notify: false, filters: [], prev_kv: false, fragment: false },
    }
    stream.send(WatchRequest.encode({ request_union: { $case: 'create_request', value } }).finish())
  }

  /** Until it has begun or been refused. False: its member said neither. */
  async answered(): Promise<boolean> {
    await this.#stream.until(() => this.take() || this.#stream.ended !== null, answerMsMax)
    return this.take()
  }

  /** Takes in what has come since. @returns whether the request has been answered. */
  take(): boolean {
    const { received } = this.#stream
    for (; this.#read < received.length; this.#read++) {
      const response = WatchResponse.decode(received[this.#read]!)
      if (response.created) {
        this.#created = true
        if (response.canceled) this.refusal = response.cancel_reason
        this.from = this.plan.startRevision === 0 ? Number(response.header!.revision) + 1 : this.plan.startRevision
      } else if (response.canceled) this.canceled = response.cancel_reason
      this.changes.push(...response.events.map(changeOf))
    }
    if (this.#stream.ended !== null) this.lost = true
    return this.#created
  }

  /** Until `condition` holds. */
  until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    return this.#stream.until(() => {
      this.take()
      return condition()
    }, timeoutMs)
  }

  /** What the rules say of it now. */
  denial(model: AuthModel): Denial | null {
    if (!model.enabled) return null
    const { who, range } = this.plan
    const now = model.identify(who)
    if (this.#caller === null) {
      if (typeof now === 'string') return now
      this.#caller = now
    }
    if (who.token !== null && typeof now === 'string') return now
    return model.judgeCaller(this.#caller, { kind: 'keys', needs: [{ verb: 'read', range }] })
  }

  /** Takes note of new rules. @param revision of the data when they came to be. */
  judge(model: AuthModel, revision: number): void {
    const isDenied = this.denial(model) !== null
    if (isDenied) this.rightsEndedAt ??= revision
    else if (this.rightsEndedAt !== null && this.canceled === null) this.mayHaveGoneOn = true
  }

  /** What of `history` it should have delivered up to a revision. */
  shareOf(history: readonly Change[], through: number): Change[] {
    return history.filter(
      ({ revision, key }) => revision >= this.from && revision <= through && hasKey(this.plan.range, key),
    )
  }

  toString(): string {
    const { member, who, range } = this.plan
    const token = who.token === null ? '' : ` with token ${who.token}`
    return `the watch of ${describeRange(range)} by ${who.certificate}${token} at ${member.name} from revision ${this.from}`
  }

  close(): void {
    this.#stream.cancel()
  }
}
