import type { ServerHttp2Stream } from 'node:http2'
import { Code } from '../errors.ts'
import { accessOf } from '../service/access.ts'
import { refuseOnLearner, refuseWithoutLeader, requireLeaderKey, requireLeaderValue } from '../service/admission.ts'
import type { Answer } from '../service/answer.ts'
import { isDenial } from '../service/caught-up.ts'
import { StatusError } from '../service/status-error.ts'
import { admitToMethod } from './admit-to-method.ts'
import { type CallHead, firstValue } from './call-head.ts'
import type { ClientConnection } from './client-connection.ts'
import type { MethodOf } from './method.ts'
import { type CallContext, ServerCall } from './server-call.ts'
import { okStatus } from './status.ts'

/** A call of one request and one answer. */
export class UnaryCall extends ServerCall {
  override readonly isStream = false
  readonly #method: MethodOf<'unary'>
  #request: Uint8Array | null = null
  /** What is asked for once more if the caller may not; null: it was asked for again. */
  #served: Uint8Array | null = null

  constructor(
    method: MethodOf<'unary'>,
    stream: ServerHttp2Stream,
    head: CallHead,
    connection: ClientConnection,
    context: CallContext,
  ) {
    super(stream, head, connection, context)
    this.#method = method
  }

  protected override received(message: Uint8Array): void {
    if (this.#request !== null) throw new StatusError(Code.Unimplemented, 'a second message on a unary call')
    this.#request = message
  }

  /** Not before the client has ended: a second message would come too late to have no effect. */
  protected override halfClosed(): void {
    const request = this.#request
    if (request === null) throw new StatusError(Code.Unimplemented, 'no message on a unary call')
    this.#request = null
    if (this.connection.isFull) this.#wait(request)
    else this.#handle(request)
  }

  /** A client that does not read its answers gets no more of them made; its requests count as its memory meanwhile. */
  #wait(request: Uint8Array): void {
    let isWaiting = true
    const stopWaiting = (): void => {
      if (isWaiting) this.connection.held(-request.length)
      isWaiting = false
    }
    const giveUp = this.connection.whenRoom(() => {
      stopWaiting()
      this.#handle(request)
    })
    this.life.onEnd(() => {
      giveUp()
      stopWaiting()
    })
    this.connection.held(request.length)
  }

  #handle(request: Uint8Array): void {
    if (this.isOver) return
    const { member } = this.context
    this.#served = request
    try {
      if (this.#method.onLearner === 'refuse') refuseOnLearner(member)
      if (firstValue(this.head.headers, requireLeaderKey) === requireLeaderValue) refuseWithoutLeader(member)
      this.#serveOnceKnown(request)
    } catch (error) {
      this.fail(error)
    }
  }

  #serveOnceKnown(request: Uint8Array): void {
    const waiting = accessOf(this.context.member).whenTokenIsKnown(this.life)
    if (waiting === null) this.#serve(request)
    else waiting.then(() => this.#serve(request))
  }

  #serve(request: Uint8Array): void {
    if (this.isOver) return
    const { member } = this.context
    try {
      admitToMethod(member, this.life, this.#method.access)
      const answer = this.#method.handler(member, request, this.life)
      if (answer instanceof Promise) answer.then(this.#answer).catch(this.#refused)
      else this.answer(answer, okStatus)
    } catch (error) {
      this.#refused(error)
    }
  }

  /** Nobody is told that they may not before this member has caught up: see `service/caught-up.ts`. */
  readonly #refused = (error: unknown): void => {
    const request = this.#served
    this.#served = null
    if (request === null || this.isOver || !isDenial(error)) {
      this.fail(error)
      return
    }
    this.life.audit?.again()
    const again = (): void => this.guarded(() => this.#serveOnceKnown(request))
    this.context.member.readBarrier().then(again, this.#fail)
  }

  readonly #answer = (answer: Answer): void => this.answer(answer, okStatus)

  readonly #fail = (error: unknown): void => this.fail(error)
}
