import { type Metadata, ServerInterceptingCall, type ServerInterceptingCallInterface } from '@grpc/grpc-js'
import type { Log } from '../base/log.ts'
import { Code } from '../errors.ts'
import { refuseOnLearner, refuseWithoutLeader, requireLeaderKey, requireLeaderValue } from '../service/admission.ts'
import type { Member } from '../service/member.ts'
import { CallLife } from './call-life.ts'
import { metadataValue } from './metadata-value.ts'
import type { MethodOf } from './method.ts'
import { statusOf } from './status.ts'

export interface UnaryRoute {
  readonly path: string
  readonly method: MethodOf<'unary'>
  readonly member: Member
  readonly log: Log
}

/**
 * One unary call. Drives grpc-js's innermost call itself instead of going through its handler, which builds a stream for
 * every unary call and ends the response only after a round through the event loop: here headers, message and trailers
 * leave together.
 */
export class UnaryCall extends ServerInterceptingCall {
  readonly #call: ServerInterceptingCallInterface
  readonly #route: UnaryRoute
  #metadata: Metadata | null = null
  #request: Uint8Array | null = null
  readonly #life = new CallLife()

  constructor(call: ServerInterceptingCallInterface, route: UnaryRoute) {
    super(call)
    this.#call = call
    this.#route = route
  }

  override start(): void {
    this.#call.start({
      onReceiveMetadata: (metadata: Metadata) => {
        this.#metadata = metadata
        this.#call.startRead()
      },
      onReceiveMessage: (message: Uint8Array) => {
        if (this.#request !== null) {
          this.#refuse(Code.Unimplemented, 'a second message on a unary call')
          return
        }
        this.#request = message
        this.#call.startRead()
      },
      onReceiveHalfClose: () => {
        if (this.#request === null) this.#refuse(Code.Unimplemented, 'no message on a unary call')
        else this.#handle(this.#request)
      },
      onCancel: () => this.#life.end(),
    })
  }

  #handle(request: Uint8Array): void {
    const { method, member } = this.#route
    try {
      if (method.onLearner === 'refuse') refuseOnLearner(member)
      if (metadataValue(this.#metadata, requireLeaderKey) === requireLeaderValue) refuseWithoutLeader(member)
      const answer = method.handler(member, request, this.#life)
      if (answer instanceof Uint8Array) this.#answer(answer)
      else answer.then(this.#answer).catch(this.#fail)
    } catch (error) {
      this.#fail(error)
    }
  }

  readonly #answer = (bytes: Uint8Array): void => {
    if (this.#life.ended) return
    this.#call.sendMessage(bytes, nothing)
    this.#call.sendStatus(ok)
    this.#life.end()
  }

  readonly #fail = (error: unknown): void => {
    const { path, log } = this.#route
    this.#call.sendStatus(statusOf(error, path, log))
    this.#life.end()
  }

  #refuse(code: Code, details: string): void {
    this.#call.sendStatus({ code, details })
  }
}

const nothing = (): void => {}
const ok = { code: Code.Ok, details: '' } as const
