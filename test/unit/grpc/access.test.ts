/**
 * Every method for every kind of caller. What each method needs is read from the method table; a method that is built
 * and has no request here fails.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { ServiceError } from '@grpc/grpc-js'
import { silentLog } from '../../../src/base/log.ts'
import { type Access, methodNames, methodPaths } from '../../../src/grpc/method.ts'
import { methodTable } from '../../../src/grpc/methods.ts'
import { createHealthService } from '../../../src/service/health.ts'
import { Login, type PasswordHasher } from '../../../src/service/login.ts'
import { createWatchService } from '../../../src/service/watch.ts'
import { CampaignRequest, LeaderRequest, ProclaimRequest, ResignRequest } from '../../../src/wire/gen/election.ts'
import { LockRequest, UnlockRequest } from '../../../src/wire/gen/lock.ts'
import {
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
  LeaseGrantRequest,
  LeaseKeepAliveRequest,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  PutRequest,
  RangeRequest,
  TxnRequest,
  WatchRequest,
  WatchResponse,
} from '../../../src/wire/gen/rpc.ts'
import { AuthMember } from '../../support/auth-member.ts'
import { addUser, enable, userWith, withRoot } from '../../support/auth-tables.ts'
import { bytes, deleteRequest, putRequest, rangeRequest, txnRequest } from '../../support/commands.ts'
import { type Harness, RawClient, serve } from '../../support/grpc-harness.ts'
import { within } from '../../support/within.ts'

/** Nobody has to wait for a hash: these passwords are their own. */
const plainPasswords: PasswordHasher = {
  isBusy: false,
  hash: async (password) => password,
  matches: async (password, hash) => password === hash,
}

const none = new Uint8Array(0)
const key = bytes('k')
const put = putRequest({ key, value: bytes('v') })
const leader = (name: string) => ({ name: bytes(name), key: bytes('k'), rev: 1n, lease: 0n })

/** A request that the user `right` may make and `other` may not, where it is a matter of keys. */
const requests: Readonly<Record<string, (who: string) => Uint8Array>> = {
  'kv.range': () => RangeRequest.encode(rangeRequest({ key })).finish(),
  'kv.put': () => PutRequest.encode(put).finish(),
  'kv.delete_range': () => DeleteRangeRequest.encode(deleteRequest({ key, prev_kv: true })).finish(),
  'kv.txn': () =>
    TxnRequest.encode(txnRequest({ success: [{ request: { $case: 'request_put', value: put } }] })).finish(),
  'kv.compact': () => CompactionRequest.encode({ revision: 1n, physical: false }).finish(),
  'lease.grant': () => LeaseGrantRequest.encode({ TTL: 100n, ID: 0n }).finish(),
  'lease.revoke': (who) => LeaseRevokeRequest.encode({ ID: who === 'right' ? 8n : 5n }).finish(),
  'lease.time_to_live': () => LeaseTimeToLiveRequest.encode({ ID: 6n, keys: true }).finish(),
  'lease.leases': () => none,
  'cluster.member_list': () => none,
  'maintenance.alarm': () => none,
  'maintenance.status': () => none,
  'maintenance.downgrade': () => DowngradeRequest.encode({ action: 0, version: 'x' }).finish(),
  'auth.enable': () => none,
  'auth.disable': () => none,
  'auth.status': () => none,
  'auth.authenticate': () => AuthenticateRequest.encode({ name: 'right', password: 'hash' }).finish(),
  'auth.user_add': (who) =>
    AuthUserAddRequest.encode({ name: `by ${who}`, password: 'p', options: undefined, hashedPassword: '' }).finish(),
  'auth.user_get': (who) => AuthUserGetRequest.encode({ name: who === 'root' ? 'right' : who }).finish(),
  'auth.user_list': () => none,
  'auth.user_delete': () => AuthUserDeleteRequest.encode({ name: 'nobody' }).finish(),
  'auth.user_change_password': () =>
    AuthUserChangePasswordRequest.encode({ name: 'nobody', password: 'p', hashedPassword: '' }).finish(),
  'auth.user_grant_role': () => AuthUserGrantRoleRequest.encode({ user: 'nobody', role: 'r' }).finish(),
  'auth.user_revoke_role': () => AuthUserRevokeRoleRequest.encode({ name: 'nobody', role: 'r' }).finish(),
  'auth.role_add': (who) => AuthRoleAddRequest.encode({ name: `by ${who}` }).finish(),
  // Its own role, as `right` has it.
  'auth.role_get': () => AuthRoleGetRequest.encode({ role: 'right' }).finish(),
  'auth.role_list': () => none,
  'auth.role_delete': () => AuthRoleDeleteRequest.encode({ role: 'nosuch' }).finish(),
  'auth.role_grant_permission': () =>
    AuthRoleGrantPermissionRequest.encode({ name: 'nosuch', perm: { permType: 0, key, range_end: none } }).finish(),
  'auth.role_revoke_permission': () =>
    AuthRoleRevokePermissionRequest.encode({ role: 'nosuch', key, range_end: none }).finish(),
  'lock.lock': (who) => LockRequest.encode({ name: bytes(`m-${who}`), lease: 0n }).finish(),
  'lock.unlock': () => UnlockRequest.encode({ key }).finish(),
  'election.campaign': (who) => CampaignRequest.encode({ name: bytes(`me-${who}`), lease: 0n, value: none }).finish(),
  'election.proclaim': () => ProclaimRequest.encode({ leader: leader('m'), value: none }).finish(),
  'election.leader': () => LeaderRequest.encode({ name: bytes('m') }).finish(),
  'election.resign': () => ResignRequest.encode({ leader: leader('m') }).finish(),
  'health.check': () => none,
  'watch.watch': () =>
    WatchRequest.encode({
      request_union: {
        $case: 'create_request',
        value: {
          ...{ key, range_end: none, start_revision: 0n, progress_notify: false },
          ...{ filters: [], prev_kv: false, watch_id: 0n, fragment: false },
        },
      },
    }).finish(),
  'lease.keep_alive': () => LeaseKeepAliveRequest.encode({ ID: 6n }).finish(),
  'election.observe': () => LeaderRequest.encode({ name: bytes('m') }).finish(),
  'health.watch': () => none,
  'reflection.info': () => none,
  'reflection.info_v1alpha': () => none,
}

/** Methods whose handler asks for less than its row's class, or for something else. */
const special: Readonly<Record<string, Access>> = {
  'auth.role_get': 'keys',
  // A lease is shown or not, whoever asks.
  'lease.grant': 'identity',
  'lease.leases': 'identity',
  'auth.user_get': 'identity',
}

type Verdict = 'allowed' | 'userEmpty' | 'permissionDenied' | 'invalidAuthToken'
const texts: Readonly<Record<string, Verdict>> = {
  '3 etcdserver: user name is empty': 'userEmpty',
  '7 etcdserver: permission denied': 'permissionDenied',
  '16 etcdserver: invalid auth token': 'invalidAuthToken',
}
const verdictOf = (error: Pick<ServiceError, 'code' | 'details'> | null): Verdict =>
  (error !== null && texts[`${error.code} ${error.details}`]) || 'allowed'

const badTokens = ['expired', 'revoked', 'deleted', 'forged', 'unsigned', 'huge'] as const
const users = ['noRoles', 'right', 'other', 'root'] as const
const everyone = ['nobody', ...users, ...badTokens] as const

function expected(who: (typeof everyone)[number], access: Access): Verdict {
  if (access === 'open') return 'allowed'
  if (who === 'nobody') return 'userEmpty'
  if ((badTokens as readonly string[]).includes(who)) return 'invalidAuthToken'
  if (who === 'root' || access === 'identity') return 'allowed'
  return access === 'keys' && who === 'right' ? 'allowed' : 'permissionDenied'
}

describe('every method, every kind of caller', () => {
  const member = new AuthMember()
  const watch = createWatchService(member, { log: silentLog })
  const table = methodTable({
    watch,
    health: createHealthService(member, Object.keys(methodNames)),
    login: new Login(plainPasswords, silentLog),
    passwords: plainPasswords,
    reflection: true,
  })
  const tokens = new Map<string, string>()
  let harness: Harness
  let client: RawClient

  before(async () => {
    await member.change(
      ...withRoot,
      ...userWith('right', 'readwrite k', 'readwrite m,n'),
      ...userWith('other', 'readwrite other', 'readwrite k\x00,l'),
      addUser('noRoles'),
      ...['expired', 'revoked', 'deleted'].map((name) => addUser(name)),
      enable,
    )
    for (const user of [...users, 'revoked', 'deleted']) tokens.set(user, await member.token(user))
    tokens.set('expired', await member.token('expired', -1))
    const forged = tokens.get('root')!
    tokens.set('forged', `${forged.slice(0, 15)}${forged[15] === 'a' ? 'b' : 'a'}${forged.slice(16)}`)
    tokens.set('unsigned', 'eyJhbGciOiJub25lIn0.eyJ1c2VybmFtZSI6InJvb3QifQ.')
    tokens.set('huge', '.'.repeat(10_000))
    await member.change(
      { $case: 'change_password', value: { name: 'revoked', password_hash: 'other', now_ms: 1n } },
      { $case: 'delete_user', value: { name: 'deleted' } },
      addUser('deleted'),
    )
    for (const id of [5n, 6n, 8n]) {
      const request = LeaseGrantRequest.encode({ TTL: 1000n, ID: id }).finish()
      await member.propose('leaseGrant', request, { kind: 'member' })
    }
    const attach = PutRequest.encode(putRequest({ key: bytes('m/leased'), lease: 6n })).finish()
    await member.propose('put', attach, { kind: 'member' })
    const second = PutRequest.encode(putRequest({ key: bytes('secret'), lease: 5n })).finish()
    await member.propose('put', second, { kind: 'member' })
    const first = PutRequest.encode(putRequest({ key: bytes('m/1') })).finish()
    await member.propose('put', first, { kind: 'member' })
    harness = await serve(table, { member })
    client = new RawClient(harness.port)
  })
  after(async () => {
    client[Symbol.dispose]()
    watch.close()
    await harness[Symbol.asyncDispose]()
  })

  const metadataOf = (who: string): Record<string, string> => {
    const token = tokens.get(who)
    return token === undefined ? {} : { token }
  }

  /** The first that comes: an answer or the refusal. */
  function firstOf(stream: {
    on(event: 'data', on: (message: Buffer) => void): unknown
    on(event: 'error', on: (error: ServiceError) => void): unknown
    cancel(): void
  }): Promise<Buffer | ServiceError> {
    return within(
      'an answer on a stream',
      new Promise<Buffer | ServiceError>((resolve) => {
        stream.on('data', resolve)
        stream.on('error', resolve)
      }),
    ).finally(() => stream.cancel())
  }

  async function verdict(path: string, kind: string, label: string, who: string): Promise<Verdict> {
    const request = requests[label]?.(who)
    assert.ok(request !== undefined, `a request for ${label} is missing here`)
    if (kind === 'unary') {
      try {
        await client.unary(path, request, metadataOf(who))
        return 'allowed'
      } catch (error) {
        const refusal = error as ServiceError
        assert.notEqual(refusal.code, 4, 'no answer in time')
        return verdictOf(refusal)
      }
    }
    let first: Buffer | ServiceError
    if (kind === 'bidi') {
      const stream = client.bidi(path, metadataOf(who))
      stream.write(Buffer.from(request))
      first = await firstOf(stream)
    } else {
      first = await firstOf(client.serverStream(path, request, metadataOf(who)))
    }
    if (!Buffer.isBuffer(first)) return verdictOf(first)
    if (label !== 'watch.watch') return 'allowed'
    const { created, canceled, cancel_reason, watch_id } = WatchResponse.decode(first)
    assert.ok(created)
    if (!canceled) return 'allowed'
    assert.equal(watch_id, -1n)
    const code = { InvalidArgument: 3, PermissionDenied: 7, Unauthenticated: 16 }
    const match = /^rpc error: code = (\w+) desc = (.*)$/.exec(cancel_reason)
    return verdictOf({ code: code[match?.[1] as keyof typeof code], details: match?.[2] ?? '' })
  }

  for (const [path, { kind, access, label }] of methodPaths(table)) {
    if (kind === 'notBuilt') continue
    const asked = special[label] ?? access
    const labels = everyone.filter((who) => label !== 'auth.disable' || who !== 'root')
    for (const who of labels) {
      test(`${label} by ${who}`, async () => {
        assert.equal(await verdict(path, kind, label, who), expected(who, asked))
      })
    }
  }
})
