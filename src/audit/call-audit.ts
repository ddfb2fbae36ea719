import type { Caller } from '../auth/caller.ts'
import type { Operation } from '../auth/operation.ts'
import type { KeyRange } from '../base/key-range.ts'
import { type Code, codeNameOf, type EtcdErrorReason } from '../errors.ts'
import type { LevelOf, Verdict } from './levels.ts'
import type { Recorder } from './recorder.ts'
import { needsJson, rangeJson, textJson, timeText } from './render.ts'

/** One method, as records have it. */
export interface AuditedMethod {
  /** Field with a comma before it. */
  readonly field: string
  /** Whether its calls last, so that their decisions are not kept back until the call ends. */
  readonly isLong: boolean
  levelOf: LevelOf
}

/** What all records of one thread have in common. */
export interface AuditSurroundings {
  readonly recorder: Recorder
  /** Fields with a comma before each: the member's id. */
  readonly field: string
  /** Tells this thread's requests from those of others, and of other runs. */
  readonly requestPrefix: string
  /** Whether changes wait until their decision is kept. */
  readonly isRequired: boolean
  nowMs(): number
}

/** Who was judged, and by which rule. */
export interface Judgement {
  /** Null: the token that it showed is not good. */
  readonly caller: Caller | null
  /** The user's name. Empty: nobody's. */
  readonly user: string
  readonly rule: string
  readonly isDenied: boolean
}

/** Refusals for who the caller is. */
const denials: ReadonlySet<EtcdErrorReason> = new Set(['permissionDenied', 'userEmpty', 'invalidAuthToken'])

export type WatchEvent = 'created' | 'refused' | 'canceled' | 'revoked'

/**
 * The records of one call. A decision is written down when the call ends, with what came of it; of calls that last, and
 * where changes wait for it, also when it is made, as a record of its own with the same number of the request.
 */
export class CallAudit {
  readonly #surroundings: AuditSurroundings
  readonly #method: AuditedMethod
  readonly #peer: string
  readonly #number: number
  readonly #beganMs = performance.now()
  #requestBytes = 0
  #responseBytes = 0
  #judgement: Judgement | null = null
  #operation: Operation | null = null
  /** What the operation was made by: the same one asks about the same thing again. */
  #asked: unknown = null
  #verdict: Verdict | null = null
  /** The decision that is held has been written down. */
  #isWritten = false
  #revision = 0
  #reason = ''
  #details = ''
  #hasEnded = false

  /** @param peer fields with a comma before each. */
  constructor(surroundings: AuditSurroundings, method: AuditedMethod, peer: string, number: number) {
    this.#surroundings = surroundings
    this.#method = method
    this.#peer = peer
    this.#number = number
  }

  /** @param asked makes the operation; the same function stands for the same decision, made once more. */
  judged(asked: unknown, operation: Operation, judgement: Judgement): void {
    const isAgain = asked === this.#asked
    // What the keys of a request need says more than what its method needs of everybody.
    const isWeaker = this.#operation?.kind === 'keys' && operation.kind !== 'keys' && !judgement.isDenied
    if (isWeaker) return
    if (!isAgain) {
      if (this.#operation?.kind === 'keys' && !this.#isWritten) this.#recordDecision()
      this.#isWritten = false
    }
    this.#asked = asked
    this.#operation = operation
    this.#judgement = judgement
    this.#verdict = judgement.isDenied ? 'denied' : 'allowed'
    // A denial ends the call, which is written down then.
    const isNow = this.#method.isLong && !judgement.isDenied && !this.#isWritten && !this.#willPersist
    if (this.#hasEnded || isNow) this.#recordDecision()
  }

  /** What was refused is going to be looked at once more, by a newer state. */
  again(): void {
    this.#asked = null
    this.#operation = null
    this.#judgement = null
    this.#verdict = null
    this.#details = ''
  }

  /** A login with a name and a password. `user` is empty for names that are nobody's: they may be anything, a password too. */
  login(user: string, rule: string, isDenied: boolean): void {
    this.#judgement = { caller: null, user, rule, isDenied }
    this.#verdict = isDenied ? 'denied' : 'allowed'
    this.#details = ',"login":true'
    // Its client did not wait for so long. Where a token waits for its decision to be kept, that is one record enough.
    if (this.#hasEnded && (isDenied || !this.#surroundings.isRequired)) this.#recordDecision()
  }

  /** @param json fields with a comma before each, without secrets. */
  detail(json: string): void {
    this.#details += json
  }

  /** Where the change was applied its caller might no longer make it. */
  deniedAtApply(rule: string): void {
    this.#verdict = 'denied'
    if (this.#judgement !== null) this.#judgement = { ...this.#judgement, rule: `at apply: ${rule}`, isDenied: true }
  }

  /** Of the store, when the call was answered. */
  answeredAt(revision: number): void {
    this.#revision = revision
  }

  /** Before a change is proposed: null if it may be, else whether the decision is kept, and with it that it may. */
  persisted(): Promise<boolean> | null {
    if (!this.#surroundings.isRequired) return null
    const line = this.#decisionLine()
    if (line === null) return null
    this.#isWritten = true
    return this.#surroundings.recorder.persist(line)
  }

  watch(event: WatchEvent, id: bigint, range: KeyRange, judgement: Judgement): void {
    const operation: Operation = { kind: 'keys', needs: [{ kind: 'read', range }] }
    const verdict = judgement.isDenied ? 'denied' : 'allowed'
    const level = this.#method.levelOf({ user: userOf(judgement), verdict, operation })
    if (level === 'none') return
    const keys = level === 'keys' ? `,"reads":[${rangeJson(range)}]` : ''
    this.#surroundings.recorder.record(
      `${this.#head('watch', judgement)},"event":"${event}","watch":${id}${keys},"verdict":"${verdict}","rule":${textJson(judgement.rule)}}\n`,
    )
  }

  received(bytes: number): void {
    this.#requestBytes += bytes
  }

  sent(bytes: number): void {
    this.#responseBytes += bytes
  }

  /** Of the table of refusals. What went on until its caller lost the right to it was allowed, and is denied now. */
  failed(reason: EtcdErrorReason): void {
    this.#reason = reason
    if (!denials.has(reason) || this.#verdict !== 'allowed' || this.#judgement === null) return
    this.#verdict = 'denied'
    this.#judgement = { ...this.#judgement, rule: `no longer: ${reason}`, isDenied: true }
  }

  ended(code: Code): void {
    this.#hasEnded = true
    const operation = this.#operation
    const verdict = this.#verdict ?? (code === 0 ? 'allowed' : 'refused')
    const judgement = this.#judgement ?? (verdict === 'allowed' ? forEverybody : notJudged)
    const level = this.#method.levelOf({ user: userOf(judgement), verdict, operation })
    if (level === 'none') return
    const keys = level === 'keys' && operation !== null ? needsJson(operation) : ''
    const revision = this.#revision === 0 ? '' : `,"revision":${this.#revision}`
    const reason = this.#reason === '' ? '' : `,"reason":"${this.#reason}"`
    const ms = Math.round((performance.now() - this.#beganMs) * 1000) / 1000
    this.#surroundings.recorder.record(
      `${this.#head('call', judgement)}${keys}${this.#details},"verdict":"${verdict}","rule":${textJson(judgement.rule)}${revision},"code":"${codeNameOf(code)}"${reason},"ms":${ms},"in":${this.#requestBytes},"out":${this.#responseBytes}}\n`,
    )
  }

  /** What is decided about a change is written down before the change is made. */
  get #willPersist(): boolean {
    const operation = this.#operation
    if (!this.#surroundings.isRequired || operation === null) return false
    return operation.kind !== 'keys' || operation.needs.some(({ kind }) => kind === 'write' || kind === 'writeLease')
  }

  #recordDecision(): void {
    const line = this.#decisionLine()
    if (line !== null) this.#surroundings.recorder.record(line)
    this.#isWritten = true
  }

  /** @returns null if it is not to be written down. */
  #decisionLine(): string | null {
    const operation = this.#operation
    const verdict = this.#verdict ?? 'allowed'
    const judgement = this.#judgement ?? forEverybody
    const level = this.#method.levelOf({ user: userOf(judgement), verdict, operation })
    if (level === 'none') return null
    const keys = level === 'keys' && operation !== null ? needsJson(operation) : ''
    return `${this.#head('decision', judgement)}${keys}${this.#details},"verdict":"${verdict}","rule":${textJson(judgement.rule)}}\n`
  }

  #head(kind: string, { user, caller, isDenied }: Judgement): string {
    const { field, requestPrefix, nowMs } = this.#surroundings
    const who = user === '' ? '' : `,"user":${textJson(user)}`
    const by = this.#details.startsWith(',"login"') ? ',"by":"password"' : byJson(caller, isDenied)
    return `{"kind":"${kind}","time":"${timeText(nowMs())}"${field},"request":"${requestPrefix}${this.#number}"${this.#peer}${who}${by}${this.#method.field}`
  }
}

/**
 * As rules know it. Who is no user here may have any name that an issuer lets people choose: no rule about users is for it, or
 * it would choose what is written down of it.
 */
const userOf = ({ caller, user }: Judgement): string => (caller?.kind === 'groups' ? '' : user)

/** By what the caller is known. Fields with a comma before each. */
function byJson(caller: Caller | null, isDenied: boolean): string {
  if (caller === null) return isDenied ? ',"by":"token"' : ''
  switch (caller.kind) {
    case 'anonymous':
    case 'member':
      return ''
    case 'stranger':
      return ',"by":"certificate"'
    case 'user':
      if (caller.token === null) return ',"by":"certificate"'
      return caller.token.ids.length === 0 ? ',"by":"token"' : `,"by":"signed token"${tokenJson(caller.token.ids[0]!)}`
    case 'groups': {
      const groups = caller.groups.slice(0, groupsMax).map(textJson).join()
      const id = caller.token.ids[0]
      return `,"by":"outside token","groups":[${groups}]${id === undefined ? '' : tokenJson(id)}`
    }
  }
}

const groupsMax = 20

const tokenJson = (id: Uint8Array): string => `,"token":"${Buffer.from(id).toString('hex')}"`

const forEverybody: Judgement = { caller: null, user: '', rule: 'open', isDenied: false }
const notJudged: Judgement = { caller: null, user: '', rule: 'not judged', isDenied: false }
