import type { Server, ServerInterceptingCall, ServerInterceptor } from '@grpc/grpc-js'
import { assert } from '../base/assert.ts'
import type { Log } from '../base/log.ts'
import type { Member } from '../service/member.ts'
import { type MethodTable, methodPaths } from './method.ts'
import { StreamCall } from './stream-call.ts'
import { UnaryCall } from './unary-call.ts'

export interface RouteOptions {
  readonly member: Member
  readonly log: Log
  /** A message went out on a stream to this peer (`address:port`). */
  onStreamMessageSent(peer: string): void
}

/** Takes each call of a method that is built away from grpc-js's handlers, before they see it. */
export function callInterceptor(table: MethodTable, options: RouteOptions): ServerInterceptor {
  const { member, log, onStreamMessageSent } = options
  const routes = new Map<
    string,
    (call: ConstructorParameters<typeof ServerInterceptingCall>[0]) => ServerInterceptingCall
  >()
  for (const [path, method] of methodPaths(table)) {
    if (method.kind === 'unary') {
      const route = { path, method, member, log }
      routes.set(path, (call) => new UnaryCall(call, route))
    } else if (method.kind !== 'notBuilt') {
      const route = { path, method, member, log, onMessageSent: onStreamMessageSent }
      routes.set(path, (call) => new StreamCall(call, route))
    }
  }
  return ({ path }, call) => {
    const route = routes.get(path)
    assert(route !== undefined, 'a method is registered and not routed')
    return route(call)
  }
}

/** Makes the methods that are built known to grpc-js. It answers Unimplemented, naming the method, for all others. */
export function registerMethods(server: Server, table: MethodTable): void {
  for (const [path, method] of methodPaths(table)) {
    if (method.kind !== 'notBuilt') server.register(path, neverCalled, toBuffer, asItIs, method.kind)
  }
}

const neverCalled = (): never => {
  throw new Error('the interceptor handles every call')
}

const asItIs = (bytes: Buffer): Buffer => bytes

const toBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
