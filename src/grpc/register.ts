import type { handleBidiStreamingCall, handleServerStreamingCall, handleUnaryCall, Server } from '@grpc/grpc-js'
import type { Log } from '../base/log.ts'
import { refuseOnLearner, refuseWithoutLeader, requireLeaderKey, requireLeaderValue } from '../service/admission.ts'
import type { Member } from '../service/member.ts'
import { CallStream, type CallStreamOptions, metadataValue } from './message-stream.ts'
import { type Method, type MethodTable, methodPaths } from './method.ts'
import { statusOf } from './status.ts'

export interface RegisterOptions {
  readonly member: Member
  readonly table: MethodTable
  readonly log: Log
  /** A message went out on a stream to this peer (`address:port`). */
  onStreamMessageSent(peer: string): void
}

type Of<Kind extends Method['kind']> = Extract<Method, { kind: Kind }>
type Bytes = Buffer | Uint8Array

/** Puts every method of the table into a grpc-js server. Those not built are left to its answer for unknown methods. */
export function registerMethods(server: Server, options: RegisterOptions): void {
  for (const [path, method] of methodPaths(options.table)) {
    if (method.kind === 'unary') server.register(path, unary(path, method, options), toBuffer, asItIs, 'unary')
    else if (method.kind === 'bidi') server.register(path, bidi(path, method, options), toBuffer, asItIs, 'bidi')
    else if (method.kind === 'serverStream') {
      server.register(path, serverStream(path, method, options), toBuffer, asItIs, 'serverStream')
    }
  }
}

const asItIs = (bytes: Buffer): Buffer => bytes

const toBuffer = (bytes: Bytes): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

function unary(path: string, method: Of<'unary'>, { member, log }: RegisterOptions): handleUnaryCall<Buffer, Bytes> {
  const { handler } = method
  const refusesLearner = method.onLearner === 'refuse'
  return (call, callback) => {
    // A late answer to a call that was cancelled or ran out of time is dropped by grpc-js.
    const fail = (error: unknown): void => callback(statusOf(error, path, log))
    try {
      if (refusesLearner) refuseOnLearner(member)
      if (metadataValue(call.metadata, requireLeaderKey) === requireLeaderValue) refuseWithoutLeader(member)
      const answer = handler(member, call.request)
      if (answer instanceof Uint8Array) callback(null, answer)
      else answer.then((bytes) => callback(null, bytes)).catch(fail)
    } catch (error) {
      fail(error)
    }
  }
}

function bidi(path: string, method: Of<'bidi'>, options: RegisterOptions): handleBidiStreamingCall<Buffer, Bytes> {
  const { member } = options
  return (call) => {
    const stream = new CallStream(call, streamOptions(path, call.getPeer(), options))
    try {
      if (method.onLearner === 'refuse') refuseOnLearner(member)
      method.handler(member, stream, (error) => stream.fail(error))
    } catch (error) {
      stream.fail(error)
    }
  }
}

function serverStream(
  path: string,
  method: Of<'serverStream'>,
  options: RegisterOptions,
): handleServerStreamingCall<Buffer, Bytes> {
  const { member } = options
  return (call) => {
    const stream = new CallStream(call, streamOptions(path, call.getPeer(), options))
    try {
      if (method.onLearner === 'refuse') refuseOnLearner(member)
      if (stream.metadata(requireLeaderKey) === requireLeaderValue) refuseWithoutLeader(member)
      method.handler(member, call.request, stream)
    } catch (error) {
      stream.fail(error)
    }
  }
}

const streamOptions = (path: string, peer: string, options: RegisterOptions): CallStreamOptions => ({
  statusOf: (error) => statusOf(error, path, options.log),
  onSent: () => options.onStreamMessageSent(peer),
})
