/**
 * What every method answers to every kind of caller: one row a method, two where a request decides. Written down by hand,
 * apart from the method table, so that a method that comes to need less there is found here.
 */

import type { RuleChange } from '../../src/auth/change.ts'
import { Code } from '../../src/errors.ts'
import { methodNames } from '../../src/grpc/method.ts'
import { CampaignRequest, LeaderRequest, ProclaimRequest, ResignRequest } from '../../src/wire/gen/election.ts'
import { TokenIssueRequest, TokenRevokeRequest } from '../../src/wire/gen/leasehold.ts'
import { LockRequest, UnlockRequest } from '../../src/wire/gen/lock.ts'
import {
  AlarmRequest,
  AuthenticateRequest,
  AuthRoleAddRequest,
  AuthRoleDeleteRequest,
  AuthRoleGetRequest,
  AuthRoleGrantPermissionRequest,
  AuthRoleRevokePermissionRequest,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  AuthUserDeleteRequest,
  AuthUserGetRequest,
  AuthUserGrantRoleRequest,
  AuthUserRevokeRoleRequest,
  CompactionRequest,
  DeleteRangeRequest,
  DowngradeRequest,
  HashKVRequest,
  LeaseGrantRequest,
  LeaseKeepAliveRequest,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  MemberAddRequest,
  MemberPromoteRequest,
  MemberRemoveRequest,
  MemberUpdateRequest,
  MoveLeaderRequest,
  PutRequest,
  RangeRequest,
  TxnRequest,
  WatchCreateRequest,
  WatchRequest,
} from '../../src/wire/gen/rpc.ts'
import type { AuthMember } from './auth-member.ts'
import { addUser, enable, grantRole, userWith, withRoot } from './auth-tables.ts'
import { bytes, deleteRequest, putRequest, rangeRequest, txnRequest } from './commands.ts'

/**
 * `right` has `k` and what begins with `m`; `other` has other keys, up to both sides of those. The last four have one built-in role each.
 */
export const users = ['none', 'right', 'other', 'root', 'monitor', 'backup', 'operator', 'auditor'] as const
export type User = (typeof users)[number]

const builtIn = ['monitor', 'backup', 'operator', 'auditor'] as const

/** The users, what they may, and the leases and keys that the requests below speak of. */
export async function furnish(
  member: Pick<AuthMember, 'change' | 'propose'>,
  more: readonly RuleChange[] = [],
): Promise<void> {
  await member.change(
    ...withRoot,
    ...userWith('right', 'readwrite k', 'readwrite m,n'),
    ...userWith('other', 'readwrite other', 'readwrite k\x00,l', 'readwrite n,'),
    addUser('none'),
    addUser('anyone'),
    ...builtIn.flatMap((name) => [addUser(name), grantRole(name, `leasehold:${name}`)]),
    ...more,
    enable,
  )
  const write = (kind: 'leaseGrant' | 'put', request: Uint8Array) => member.propose(kind, request, { kind: 'member' })
  for (const id of [foreignLease, ownLease])
    await write('leaseGrant', LeaseGrantRequest.encode({ TTL: 1000n, ID: id }).finish())
  for (const put of [
    { key, value: bytes('v') },
    { key: bytes('m/leased'), lease: ownLease },
    { key: bytes('aside'), lease: foreignLease },
    { key: bytes('m/1') },
  ])
    await write('put', PutRequest.encode(putRequest(put)).finish())
}

export const key: Uint8Array = bytes('k')
/** Its key is nobody's but root's. */
export const foreignLease = 5n
/** Its key is `right`'s. */
export const ownLease = 6n

export interface AccessRow {
  /** `package.Service/Method`. */
  readonly path: string
  /** What about this request is special; empty: nothing. */
  readonly note?: string
  /** `all` is everybody, `known` is every user; else those users. */
  readonly may: 'all' | 'known' | `${User}${'' | ` ${string}`}`
  /** What the scope of a token needs, whoever's it is: all of these verbs, and of those with `|` between them any. */
  readonly verbs: string
  readonly ask: (who: string) => Uint8Array
  /** What comes of it for those who may, OK if it is not here; `whatever` is anything but a refusal of access. */
  readonly gets?: Code | 'whatever'
}

const none = new Uint8Array(0)
const nothing = (): Uint8Array => none
const leader = (name: string) => ({ name: bytes(name), key, rev: 1n, lease: 0n })

const rows: readonly AccessRow[] = [
  {
    path: 'etcdserverpb.KV/Range',
    may: 'right root',
    verbs: 'read',
    ask: () => RangeRequest.encode(rangeRequest({ key })).finish(),
  },
  {
    path: 'etcdserverpb.KV/Put',
    may: 'right root',
    verbs: 'write',
    ask: () => PutRequest.encode(putRequest({ key, value: bytes('v') })).finish(),
  },
  {
    path: 'etcdserverpb.KV/DeleteRange',
    may: 'right root',
    verbs: 'read write',
    ask: () => DeleteRangeRequest.encode(deleteRequest({ key, prev_kv: true })).finish(),
  },
  {
    path: 'etcdserverpb.KV/Txn',
    may: 'right root',
    verbs: 'write',
    ask: () =>
      TxnRequest.encode(
        txnRequest({ success: [{ request: { $case: 'request_put', value: putRequest({ key }) } }] }),
      ).finish(),
  },
  { path: 'etcdserverpb.KV/Txn', note: 'of nothing', may: 'known', verbs: '', ask: nothing },
  {
    path: 'etcdserverpb.KV/Compact',
    may: 'root operator',
    verbs: 'operate',
    ask: () => CompactionRequest.encode({ revision: 1_000_000n, physical: false }).finish(),
    gets: Code.OutOfRange,
  },
  {
    path: 'etcdserverpb.Watch/Watch',
    may: 'right root',
    verbs: 'read',
    ask: () => {
      const value = { ...WatchCreateRequest.decode(none), key }
      return WatchRequest.encode({ request_union: { $case: 'create_request', value } }).finish()
    },
  },
  {
    path: 'etcdserverpb.Lease/LeaseGrant',
    may: 'known',
    verbs: 'lease',
    ask: () => LeaseGrantRequest.encode({ TTL: 100n, ID: 0n }).finish(),
  },
  {
    path: 'etcdserverpb.Lease/LeaseRevoke',
    note: 'of a lease with a key of nobody’s',
    // Who may not is refused while it lasts; for root it is not there.
    may: 'root',
    verbs: 'lease',
    ask: (who) => LeaseRevokeRequest.encode({ ID: userOf(who) === 'root' ? 404n : foreignLease }).finish(),
    gets: Code.NotFound,
  },
  {
    path: 'etcdserverpb.Lease/LeaseRevoke',
    note: 'that is not there',
    may: 'known',
    verbs: 'lease',
    ask: () => LeaseRevokeRequest.encode({ ID: 404n }).finish(),
    gets: Code.NotFound,
  },
  {
    path: 'etcdserverpb.Lease/LeaseKeepAlive',
    may: 'right root',
    verbs: 'lease write',
    ask: () => LeaseKeepAliveRequest.encode({ ID: ownLease }).finish(),
  },
  {
    path: 'etcdserverpb.Lease/LeaseTimeToLive',
    may: 'right root',
    verbs: 'lease read',
    ask: () => LeaseTimeToLiveRequest.encode({ ID: ownLease, keys: true }).finish(),
  },
  {
    path: 'etcdserverpb.Lease/LeaseTimeToLive',
    note: 'without keys',
    may: 'known',
    verbs: 'lease',
    ask: () => LeaseTimeToLiveRequest.encode({ ID: ownLease, keys: false }).finish(),
  },
  // Everybody is shown what may be shown to them.
  { path: 'etcdserverpb.Lease/LeaseLeases', may: 'known', verbs: 'lease', ask: nothing },
  {
    path: 'etcdserverpb.Cluster/MemberAdd',
    may: 'root operator',
    verbs: 'operate',
    ask: () => MemberAddRequest.encode({ peerURLs: ['http://127.0.0.1:1'], isLearner: true }).finish(),
  },
  {
    path: 'etcdserverpb.Cluster/MemberRemove',
    may: 'root operator',
    verbs: 'operate',
    ask: () => MemberRemoveRequest.encode({ ID: 404n }).finish(),
    gets: Code.NotFound,
  },
  {
    path: 'etcdserverpb.Cluster/MemberUpdate',
    may: 'root operator',
    verbs: 'operate',
    ask: () => MemberUpdateRequest.encode({ ID: 404n, peerURLs: ['http://127.0.0.1:1'] }).finish(),
    gets: Code.NotFound,
  },
  {
    path: 'etcdserverpb.Cluster/MemberPromote',
    may: 'root operator',
    verbs: 'operate',
    ask: () => MemberPromoteRequest.encode({ ID: 404n }).finish(),
    gets: Code.NotFound,
  },
  { path: 'etcdserverpb.Cluster/MemberList', may: 'known', verbs: 'monitor', ask: nothing },
  { path: 'etcdserverpb.Maintenance/Alarm', note: 'that are on', may: 'known', verbs: 'monitor', ask: nothing },
  ...(['ACTIVATE', 'DEACTIVATE'] as const).map(
    (note, at): AccessRow => ({
      path: 'etcdserverpb.Maintenance/Alarm',
      note,
      may: 'root operator',
      verbs: 'monitor operate',
      ask: () => AlarmRequest.encode({ action: at === 0 ? 1 : 2, memberID: 1n, alarm: 1 }).finish(),
      gets: Code.Unimplemented,
    }),
  ),
  { path: 'etcdserverpb.Maintenance/Status', may: 'known', verbs: 'monitor', ask: nothing },
  { path: 'etcdserverpb.Maintenance/Defragment', may: 'root operator', verbs: 'operate', ask: nothing },
  {
    path: 'etcdserverpb.Maintenance/Hash',
    may: 'root monitor backup operator auditor',
    verbs: 'monitor',
    ask: nothing,
  },
  {
    path: 'etcdserverpb.Maintenance/HashKV',
    may: 'root monitor backup operator auditor',
    verbs: 'monitor',
    ask: () => HashKVRequest.encode({ revision: 0n }).finish(),
  },
  { path: 'etcdserverpb.Maintenance/Snapshot', may: 'root backup', verbs: 'backup', ask: nothing },
  {
    path: 'etcdserverpb.Maintenance/MoveLeader',
    may: 'root operator',
    verbs: 'operate',
    ask: () => MoveLeaderRequest.encode({ targetID: 404n }).finish(),
    gets: Code.FailedPrecondition,
  },
  {
    path: 'etcdserverpb.Maintenance/Downgrade',
    may: 'root operator',
    verbs: 'operate',
    ask: () => DowngradeRequest.encode({ action: 0, version: 'x' }).finish(),
    gets: Code.InvalidArgument,
  },
  { path: 'etcdserverpb.Auth/AuthEnable', may: 'root', verbs: 'admin', ask: nothing },
  // Asked last of all; who may not is refused.
  { path: 'etcdserverpb.Auth/AuthDisable', may: 'root', verbs: 'admin', ask: nothing },
  { path: 'etcdserverpb.Auth/AuthStatus', may: 'all', verbs: '', ask: nothing },
  {
    path: 'etcdserverpb.Auth/Authenticate',
    may: 'all',
    verbs: '',
    ask: () => AuthenticateRequest.encode({ name: 'right', password: 'hash' }).finish(),
  },
  {
    path: 'etcdserverpb.Auth/UserAdd',
    may: 'root',
    verbs: 'admin',
    ask: (who) =>
      AuthUserAddRequest.encode({ name: `by ${who}`, password: 'p', options: undefined, hashedPassword: '' }).finish(),
  },
  {
    path: 'etcdserverpb.Auth/UserGet',
    note: 'of oneself',
    may: 'known',
    verbs: 'audit|admin',
    ask: (who) => AuthUserGetRequest.encode({ name: userOf(who) }).finish(),
  },
  {
    path: 'etcdserverpb.Auth/UserGet',
    note: 'of somebody else',
    may: 'root auditor',
    verbs: 'audit|admin',
    ask: () => AuthUserGetRequest.encode({ name: 'anyone' }).finish(),
  },
  { path: 'etcdserverpb.Auth/UserList', may: 'root auditor', verbs: 'audit', ask: nothing },
  {
    path: 'etcdserverpb.Auth/UserDelete',
    may: 'root',
    verbs: 'admin',
    ask: () => AuthUserDeleteRequest.encode({ name: 'nobody' }).finish(),
    gets: Code.FailedPrecondition,
  },
  {
    path: 'etcdserverpb.Auth/UserChangePassword',
    may: 'root',
    verbs: 'admin',
    ask: () => AuthUserChangePasswordRequest.encode({ name: 'nobody', password: 'p', hashedPassword: '' }).finish(),
    gets: Code.FailedPrecondition,
  },
  {
    path: 'etcdserverpb.Auth/UserGrantRole',
    may: 'root',
    verbs: 'admin',
    ask: () => AuthUserGrantRoleRequest.encode({ user: 'nobody', role: 'right' }).finish(),
    gets: Code.FailedPrecondition,
  },
  {
    path: 'etcdserverpb.Auth/UserRevokeRole',
    may: 'root',
    verbs: 'admin',
    ask: () => AuthUserRevokeRoleRequest.encode({ name: 'nobody', role: 'right' }).finish(),
    gets: Code.FailedPrecondition,
  },
  {
    path: 'etcdserverpb.Auth/RoleAdd',
    may: 'root',
    verbs: 'admin',
    ask: (who) => AuthRoleAddRequest.encode({ name: `by ${who}` }).finish(),
  },
  {
    path: 'etcdserverpb.Auth/RoleGet',
    note: 'of one’s own',
    may: 'right root auditor',
    verbs: 'audit|admin',
    ask: () => AuthRoleGetRequest.encode({ role: 'right' }).finish(),
  },
  {
    path: 'etcdserverpb.Auth/RoleGet',
    note: 'that is built in and one has',
    may: 'root monitor auditor',
    verbs: 'audit|admin',
    ask: () => AuthRoleGetRequest.encode({ role: 'leasehold:monitor' }).finish(),
  },
  { path: 'etcdserverpb.Auth/RoleList', may: 'root auditor', verbs: 'audit', ask: nothing },
  {
    path: 'etcdserverpb.Auth/RoleDelete',
    may: 'root',
    verbs: 'admin',
    ask: () => AuthRoleDeleteRequest.encode({ role: 'nosuch' }).finish(),
    gets: Code.FailedPrecondition,
  },
  {
    path: 'etcdserverpb.Auth/RoleGrantPermission',
    may: 'root',
    verbs: 'admin',
    ask: () =>
      AuthRoleGrantPermissionRequest.encode({ name: 'nosuch', perm: { permType: 0, key, range_end: none } }).finish(),
    gets: Code.FailedPrecondition,
  },
  {
    path: 'etcdserverpb.Auth/RoleRevokePermission',
    may: 'root',
    verbs: 'admin',
    ask: () => AuthRoleRevokePermissionRequest.encode({ role: 'nosuch', key, range_end: none }).finish(),
    gets: Code.FailedPrecondition,
  },
  // Whether any can be had is a matter of configuration.
  { path: 'leasehold.v1.Tokens/Issue', may: 'known', verbs: '', ask: nothing, gets: 'whatever' },
  {
    path: 'leasehold.v1.Tokens/Issue',
    note: 'for somebody else',
    may: 'root',
    verbs: 'admin',
    ask: () => TokenIssueRequest.encode({ ...TokenIssueRequest.decode(none), user: 'anyone' }).finish(),
    gets: 'whatever',
  },
  {
    path: 'leasehold.v1.Tokens/Revoke',
    note: 'all of somebody else’s',
    may: 'root',
    verbs: 'admin',
    ask: () => TokenRevokeRequest.encode({ id: '', user: 'anyone', expires_ms: 0n }).finish(),
    gets: 'whatever',
  },
  { path: 'leasehold.v1.Tokens/Keys', may: 'all', verbs: '', ask: nothing, gets: 'whatever' },
  { path: 'leasehold.v1.Tokens/WhoAmI', may: 'known', verbs: '', ask: nothing },
  { path: 'leasehold.v1.Policies/Get', may: 'root auditor', verbs: 'audit', ask: nothing },
  {
    path: 'leasehold.v1.Policies/Apply',
    note: 'by an old revision',
    may: 'root',
    verbs: 'admin',
    ask: nothing,
    gets: Code.InvalidArgument,
  },
  {
    path: 'v3lockpb.Lock/Lock',
    may: 'right root',
    verbs: 'lease read write',
    ask: (who) => LockRequest.encode({ name: bytes(`m-${who}`), lease: 0n }).finish(),
  },
  {
    path: 'v3lockpb.Lock/Unlock',
    may: 'right root',
    verbs: 'write',
    ask: () => UnlockRequest.encode({ key }).finish(),
  },
  {
    path: 'v3electionpb.Election/Campaign',
    may: 'right root',
    verbs: 'lease read write',
    ask: (who) => CampaignRequest.encode({ name: bytes(`me-${who}`), lease: 0n, value: none }).finish(),
  },
  {
    path: 'v3electionpb.Election/Proclaim',
    may: 'right root',
    verbs: 'read write',
    ask: () => ProclaimRequest.encode({ leader: leader('m'), value: none }).finish(),
    gets: Code.Unknown,
  },
  {
    path: 'v3electionpb.Election/Leader',
    may: 'right root',
    verbs: 'read',
    ask: () => LeaderRequest.encode({ name: bytes('m') }).finish(),
  },
  {
    path: 'v3electionpb.Election/Observe',
    may: 'right root',
    verbs: 'read',
    ask: () => LeaderRequest.encode({ name: bytes('m') }).finish(),
  },
  {
    path: 'v3electionpb.Election/Resign',
    may: 'right root',
    verbs: 'read write',
    ask: () => ResignRequest.encode({ leader: leader('m') }).finish(),
  },
  { path: 'grpc.health.v1.Health/Check', may: 'all', verbs: '', ask: nothing },
  { path: 'grpc.health.v1.Health/Watch', may: 'all', verbs: '', ask: nothing },
  ...['v1', 'v1alpha'].map(
    (version): AccessRow => ({
      path: `grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
      may: 'known',
      verbs: 'monitor',
      ask: nothing,
      gets: Code.InvalidArgument,
    }),
  ),
]

/** A caller is named after its user and how it shows who it is: `right by certificate`. */
export const userOf = (who: string): string => who.split(' ')[0]!

export const allPaths: readonly string[] = Object.entries(methodNames).flatMap(([service, names]) =>
  names.map((name) => `${service}/${name}`),
)

export const accessRows: readonly AccessRow[] = rows

export const titleOf = ({ path, note }: AccessRow): string => `${path}${note === undefined ? '' : `, ${note}`}`

export function mayAsUser({ may }: AccessRow, user: User): boolean {
  return may === 'all' || may === 'known' || may.split(' ').includes(user)
}

/** @param scope the verbs that are there for all keys. */
export const isInScope = ({ verbs }: AccessRow, scope: readonly string[]): boolean =>
  verbs
    .split(' ')
    .filter((verb) => verb !== '')
    .every((verb) => verb.split('|').some((one) => scope.includes(one)))
