import type { Capability } from '../auth/built-in-roles.ts'
import type { Answer } from '../service/answer.ts'
import type { Call } from '../service/call.ts'
import type { Member } from '../service/member.ts'
import type { MessageStream } from '../service/stream.ts'

/** Every service and method of wire/proto (a test compares); the types below make each of them need a row. */
export const methodNames = {
  'etcdserverpb.KV': ['Range', 'Put', 'DeleteRange', 'Txn', 'Compact'],
  'etcdserverpb.Watch': ['Watch'],
  'etcdserverpb.Lease': ['LeaseGrant', 'LeaseRevoke', 'LeaseKeepAlive', 'LeaseTimeToLive', 'LeaseLeases'],
  'etcdserverpb.Cluster': ['MemberAdd', 'MemberRemove', 'MemberUpdate', 'MemberList', 'MemberPromote'],
  'etcdserverpb.Maintenance': [
    'Alarm',
    'Status',
    'Defragment',
    'Hash',
    'HashKV',
    'Snapshot',
    'MoveLeader',
    'Downgrade',
  ],
  'etcdserverpb.Auth': [
    'AuthEnable',
    'AuthDisable',
    'AuthStatus',
    'Authenticate',
    'UserAdd',
    'UserGet',
    'UserList',
    'UserDelete',
    'UserChangePassword',
    'UserGrantRole',
    'UserRevokeRole',
    'RoleAdd',
    'RoleGet',
    'RoleList',
    'RoleDelete',
    'RoleGrantPermission',
    'RoleRevokePermission',
  ],
  'leasehold.v1.Tokens': ['Issue', 'Revoke', 'Keys', 'WhoAmI'],
  'leasehold.v1.Policies': ['Get', 'Apply'],
  'v3lockpb.Lock': ['Lock', 'Unlock'],
  'v3electionpb.Election': ['Campaign', 'Proclaim', 'Leader', 'Observe', 'Resign'],
  'grpc.health.v1.Health': ['Check', 'Watch'],
  'grpc.reflection.v1.ServerReflection': ['ServerReflectionInfo'],
  'grpc.reflection.v1alpha.ServerReflection': ['ServerReflectionInfo'],
} as const satisfies Record<string, readonly string[]>

type MethodNames = typeof methodNames
export type ServiceName = keyof MethodNames

/**
 * What a caller must be allowed: `keys` is judged by the keys or the lease of the request, `known` is anyone who is known,
 * `identity` is the same but for tokens whose scope has not `monitor`, `root` is the root role, a capability is the roles
 * that have it, `open` is everybody.
 */
export type Access = 'keys' | 'known' | 'identity' | 'root' | Capability | 'open'

/** What is thrown or rejected with becomes the call's status. */
export type UnaryHandler = (member: Member, request: Uint8Array, call: Call) => Promise<Answer> | Answer
/** `fail` ends the stream with any error. */
export type BidiHandler = (member: Member, stream: MessageStream, fail: (error: unknown) => void, call: Call) => void
/** Errors that it throws end the stream. */
export type ServerStreamHandler = (member: Member, request: Uint8Array, stream: MessageStream, call: Call) => void

interface Row {
  readonly access: Access
  /** Whether a learner answers: always, or never. Methods of which a learner answers some requests judge for themselves. */
  readonly onLearner: 'serve' | 'refuse'
  /** The method in metrics. */
  readonly label: string
}

export type Method =
  | (Row & { readonly kind: 'unary'; readonly handler: UnaryHandler })
  | (Row & { readonly kind: 'bidi'; readonly handler: BidiHandler })
  | (Row & { readonly kind: 'serverStream'; readonly handler: ServerStreamHandler })
  /** Answered with Unimplemented and its name. */
  | (Row & { readonly kind: 'notBuilt' })

export type MethodOf<Kind extends Method['kind']> = Extract<Method, { kind: Kind }>

export type MethodTable = {
  readonly [Service in ServiceName]: { readonly [Name in MethodNames[Service][number]]: Method }
}

/** The table's rows with the `:path` that calls them. */
export function* methodPaths(table: MethodTable): Iterable<readonly [path: string, method: Method]> {
  for (const [service, methods] of Object.entries(table)) {
    for (const [name, method] of Object.entries(methods)) yield [`/${service}/${name}`, method]
  }
}

/** The services of which anything is built. */
export const servedServices = (table: MethodTable): string[] =>
  Object.entries(table)
    .filter(([, methods]) => Object.values(methods).some(({ kind }) => kind !== 'notBuilt'))
    .map(([service]) => service)
