import assert from 'node:assert/strict'
import type { ServiceError } from '@grpc/grpc-js'
import { Code } from '../../src/errors.ts'
import type { Method } from '../../src/grpc/method.ts'
import { WatchResponse } from '../../src/wire/gen/rpc.ts'
import { type AccessRow, isInScope, mayAsUser, type User } from './access-table.ts'
import type { RawClient } from './grpc-harness.ts'
import { within } from './within.ts'

/** What a call came to: a code's number, and the words of those that are about access. */
export type Verdict = string

const aboutAccess = {
  userEmpty: '3 etcdserver: user name is empty',
  permissionDenied: '7 etcdserver: permission denied',
  invalidAuthToken: '16 etcdserver: invalid auth token',
} as const
const words: ReadonlySet<string> = new Set(Object.values(aboutAccess))
/** No connection, and so no call. */
export const noConnection: Verdict = String(Code.Unavailable)

/**
 * How somebody calls. `as` is what it has to be taken for: a user; `stranger`, somebody whose certificate names no user;
 * `nobody`; `badToken`; or `shut out` already by TLS.
 */
export interface AccessCaller {
  readonly name: string
  readonly as: User | 'stranger' | 'nobody' | 'badToken' | 'shut out'
  /** Verbs that its token is for, on all keys; null: for whatever its user may. */
  readonly scope?: readonly string[] | null
  readonly client: RawClient
  readonly metadata: Readonly<Record<string, string>>
}

/** @param isBuilt methods that are not are answered before anything is known of the caller. */
export function expectedVerdict(row: AccessRow, { as, scope = null }: AccessCaller, isBuilt: boolean): Verdict {
  if (as === 'shut out') return noConnection
  if (!isBuilt) return String(Code.Unimplemented)
  const allowed = String(row.gets ?? Code.Ok)
  if (row.may === 'all') return allowed
  if (as === 'nobody') return aboutAccess.userEmpty
  if (as === 'badToken') return aboutAccess.invalidAuthToken
  if (as === 'stranger') return aboutAccess.permissionDenied
  return mayAsUser(row, as) && (scope === null || isInScope(row, scope)) ? allowed : aboutAccess.permissionDenied
}

function verdictOf({ code, details }: Pick<ServiceError, 'code' | 'details'>): Verdict {
  const text = `${code} ${details}`
  return words.has(text) ? text : String(code)
}

/** The first that comes: an answer or the refusal. */
async function firstOf(stream: {
  on(event: 'data', on: (message: Buffer) => void): unknown
  on(event: 'error', on: (error: ServiceError) => void): unknown
  on(event: 'end', on: () => void): unknown
  cancel(): void
}): Promise<Buffer | ServiceError> {
  try {
    return await within(
      'an answer on a stream',
      new Promise<Buffer | ServiceError>((resolve) => {
        stream.on('data', resolve)
        stream.on('error', resolve)
        stream.on('end', () => resolve(Buffer.alloc(0)))
      }),
    )
  } finally {
    stream.cancel()
  }
}

const watchCodes: Readonly<Record<string, number>> = { InvalidArgument: 3, PermissionDenied: 7, Unauthenticated: 16 }

/** A watch is refused in its first answer, in the words of a status. */
function verdictOfWatch(message: Buffer): Verdict {
  const { created, canceled, cancel_reason, watch_id } = WatchResponse.decode(message)
  assert.ok(created)
  if (!canceled) return String(Code.Ok)
  assert.equal(watch_id, -1n)
  const [, name = '', details = ''] = /^rpc error: code = (\w+) desc = (.*)$/.exec(cancel_reason) ?? []
  return verdictOf({ code: watchCodes[name]!, details })
}

/** @param name `package.Service/Method`. */
export async function verdictFor(
  name: string,
  kind: Method['kind'],
  request: Uint8Array,
  { client, metadata }: AccessCaller,
): Promise<Verdict> {
  const path = `/${name}`
  if (kind === 'unary' || kind === 'notBuilt') {
    try {
      await client.unary(path, request, metadata)
      return String(Code.Ok)
    } catch (error) {
      return verdictOf(error as ServiceError)
    }
  }
  let first: Buffer | ServiceError
  if (kind === 'bidi') {
    const stream = client.bidi(path, metadata)
    stream.write(Buffer.from(request))
    first = await firstOf(stream)
  } else {
    first = await firstOf(client.serverStream(path, request, metadata))
  }
  if (!Buffer.isBuffer(first)) return verdictOf(first)
  return path === '/etcdserverpb.Watch/Watch' ? verdictOfWatch(first) : String(Code.Ok)
}

/** Asks for all callers, one after the other. @returns those who got something else than they should, each in one line. */
export async function surprisesOf(
  row: AccessRow,
  kind: Method['kind'],
  callers: readonly AccessCaller[],
): Promise<string[]> {
  const surprises: string[] = []
  for (const caller of callers) {
    const expected = expectedVerdict(row, caller, kind !== 'notBuilt')
    const verdict = await verdictFor(row.path, kind, row.ask(caller.name), caller)
    if (verdict !== expected && (expected !== 'whatever' || words.has(verdict)))
      surprises.push(`${caller.name}: ${verdict}, should be ${expected}`)
  }
  return surprises
}
