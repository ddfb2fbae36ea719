import { EtcdError, type EtcdErrorReason, etcdErrors } from '../errors.ts'
import type { PeerCallDone, PeerMethod } from '../replica/ports.ts'
import { PeerAnswer, PeerCall, PeerCall_Method } from '../wire/gen/internal.ts'
import { PeerProtocolError } from './frame.ts'
import { callsWaitingMax } from './peer-limits.ts'

const methodNumbers: Record<PeerMethod, PeerCall_Method> = {
  leaseRenew: PeerCall_Method.LEASE_RENEW,
  leaseTimeToLive: PeerCall_Method.LEASE_TIME_TO_LIVE,
  leaseExpiries: PeerCall_Method.LEASE_EXPIRIES,
}
const methodNames = new Map(Object.entries(methodNumbers).map(([name, number]) => [number, name as PeerMethod]))

interface WaitingCall {
  readonly done: PeerCallDone
  readonly timer: NodeJS.Timeout
}

/** Questions to one member that wait for their answers. */
export class WaitingCalls {
  readonly #callMsMax: number
  readonly #waiting = new Map<number, WaitingCall>()
  #lastId = 0

  constructor(callMsMax: number) {
    this.#callMsMax = callMsMax
  }

  /** @returns the encoded call to send, or null if too many wait already. `done` is called later, exactly once. */
  add(method: PeerMethod, request: Uint8Array, done: PeerCallDone): Uint8Array | null {
    if (this.#waiting.size >= callsWaitingMax) return null
    const id = ++this.#lastId
    const timer = setTimeout(() => this.#settle(id, new EtcdError('timeout'), null), this.#callMsMax)
    this.#waiting.set(id, { done, timer })
    return PeerCall.encode({ id: BigInt(id), method: methodNumbers[method], request }).finish()
  }

  /** @throws PeerProtocolError if the payload is no answer. Answers that come too late are ignored. */
  answered(payload: Uint8Array): void {
    const answer = decode('answer', () => PeerAnswer.decode(payload))
    const id = Number(answer.id)
    if (answer.error === '') this.#settle(id, null, answer.response)
    else this.#settle(id, errorOf(answer.error), null)
  }

  /** The connection is gone, and with it all answers. The askers hear of it later, not from within this call. */
  fail(): void {
    for (const [id, call] of this.#waiting) {
      this.#waiting.delete(id)
      clearTimeout(call.timer)
      setImmediate(() => call.done(new EtcdError('timeoutConnectionLost'), null))
    }
  }

  #settle(id: number, error: Error | null, response: Uint8Array | null): void {
    const call = this.#waiting.get(id)
    if (call === undefined) return
    this.#waiting.delete(id)
    clearTimeout(call.timer)
    call.done(error, response)
  }
}

export interface ReceivedCall {
  readonly id: bigint
  readonly method: PeerMethod
  readonly request: Uint8Array
}

/** @throws PeerProtocolError */
export function readCall(payload: Uint8Array): ReceivedCall {
  const { id, method, request } = decode('call', () => PeerCall.decode(payload))
  const name = methodNames.get(method)
  if (name === undefined) throw new PeerProtocolError(`unknown method ${method}`)
  return { id, method: name, request }
}

/** Only a reason of the error table crosses the wire; anything else is a fault here and says "timeout" there. */
export function encodeAnswer(id: bigint, error: Error | null, response: Uint8Array | null): Uint8Array {
  const reason = error === null ? '' : error instanceof EtcdError ? error.reason : 'timeout'
  return PeerAnswer.encode({ id, response: response ?? new Uint8Array(0), error: reason }).finish()
}

function errorOf(reason: string): EtcdError {
  return Object.hasOwn(etcdErrors, reason)
    ? new EtcdError(reason as EtcdErrorReason)
    : new EtcdError('timeout', { cause: `unknown reason of another member: ${reason.slice(0, 100)}` })
}

function decode<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new PeerProtocolError(`unreadable ${what}`, { cause: error })
  }
}
