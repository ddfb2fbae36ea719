import { memberList } from '../service/cluster.ts'
import { campaign, leader, proclaim, resign } from '../service/election.ts'
import { observe } from '../service/election-observer.ts'
import type { HealthService } from '../service/health.ts'
import { compact, deleteRange, put, range, txn } from '../service/kv.ts'
import { leaseGrant, leaseLeases, leaseRevoke, leaseTimeToLive } from '../service/lease.ts'
import { leaseKeepAlive } from '../service/lease-keep-alive.ts'
import { lock, unlock } from '../service/lock.ts'
import type { Login } from '../service/login.ts'
import { alarm, downgrade, status } from '../service/maintenance.ts'
import type { NewPasswords } from '../service/new-passwords.ts'
import type { WatchHandler } from '../service/own-watch.ts'
import { policyApply, policyGet } from '../service/policies.ts'
import { reflect } from '../service/reflection.ts'
import { tokenRevoke } from '../service/token-revocation.ts'
import { tokenIssue, tokenKeys, whoAmI } from '../service/tokens.ts'
import { TurnQueue } from '../service/turn-queue.ts'
import { authRows } from './auth-methods.ts'
import {
  type BidiHandler,
  type Method,
  type MethodTable,
  type ServerStreamHandler,
  servedServices,
  type UnaryHandler,
} from './method.ts'

/** The services that live as long as the table and know of each other's calls. */
export interface TableServices {
  readonly watch: WatchHandler
  readonly health: HealthService
  readonly login: Login
  readonly passwords: NewPasswords
  /** Whether clients may ask what can be called. */
  readonly reflection: boolean
}

/** The one table of methods: what each needs, who answers it and what it is called in metrics. */
export function methodTable({ watch, health, reflection, login, passwords }: TableServices): MethodTable {
  const serveWatch: BidiHandler = (_member, stream, _fail, call) => watch.serve(stream, call)
  const checkHealth: UnaryHandler = (_member, request) => health.check(request)
  const watchHealth: ServerStreamHandler = (_member, request, stream) => health.watch(request, stream)
  const turns = new TurnQueue(watch)
  const lockInTurn: UnaryHandler = (member, request, call) => lock(turns, member, request, call)
  const campaignInTurn: UnaryHandler = (member, request, call) => campaign(turns, member, request, call)
  const serveObserve: ServerStreamHandler = (member, request, stream, call) =>
    observe(watch, member, request, stream, call)
  const serveReflection: BidiHandler = (_member, stream, fail) => reflect(servedServices(table), stream, fail)
  const reflectionRow = (label: string): Method => ({
    ...(reflection ? { kind: 'bidi', handler: serveReflection } : { kind: 'notBuilt' }),
    access: 'identity',
    onLearner: 'serve',
    label,
  })
  const table: MethodTable = {
    'etcdserverpb.KV': {
      Range: { kind: 'unary', handler: range, access: 'keys', onLearner: 'serve', label: 'kv.range' },
      Put: { kind: 'unary', handler: put, access: 'keys', onLearner: 'refuse', label: 'kv.put' },
      DeleteRange: {
        kind: 'unary',
        handler: deleteRange,
        access: 'keys',
        onLearner: 'refuse',
        label: 'kv.delete_range',
      },
      Txn: { kind: 'unary', handler: txn, access: 'keys', onLearner: 'refuse', label: 'kv.txn' },
      Compact: { kind: 'unary', handler: compact, access: 'operate', onLearner: 'refuse', label: 'kv.compact' },
    },
    'etcdserverpb.Watch': {
      Watch: { kind: 'bidi', handler: serveWatch, access: 'keys', onLearner: 'refuse', label: 'watch.watch' },
    },
    'etcdserverpb.Lease': {
      LeaseGrant: {
        kind: 'unary',
        handler: leaseGrant,
        access: 'keys',
        onLearner: 'refuse',
        label: 'lease.grant',
      },
      LeaseRevoke: { kind: 'unary', handler: leaseRevoke, access: 'keys', onLearner: 'refuse', label: 'lease.revoke' },
      LeaseKeepAlive: {
        kind: 'bidi',
        handler: leaseKeepAlive,
        access: 'keys',
        onLearner: 'refuse',
        label: 'lease.keep_alive',
      },
      LeaseTimeToLive: {
        kind: 'unary',
        handler: leaseTimeToLive,
        access: 'keys',
        onLearner: 'refuse',
        label: 'lease.time_to_live',
      },
      LeaseLeases: { kind: 'unary', handler: leaseLeases, access: 'keys', onLearner: 'refuse', label: 'lease.leases' },
    },
    'etcdserverpb.Cluster': {
      MemberAdd: { kind: 'notBuilt', access: 'operate', onLearner: 'refuse', label: 'cluster.member_add' },
      MemberRemove: { kind: 'notBuilt', access: 'operate', onLearner: 'refuse', label: 'cluster.member_remove' },
      MemberUpdate: { kind: 'notBuilt', access: 'operate', onLearner: 'refuse', label: 'cluster.member_update' },
      MemberList: {
        kind: 'unary',
        handler: memberList,
        access: 'identity',
        onLearner: 'refuse',
        label: 'cluster.member_list',
      },
      MemberPromote: { kind: 'notBuilt', access: 'operate', onLearner: 'refuse', label: 'cluster.member_promote' },
    },
    'etcdserverpb.Maintenance': {
      // Whoever is known may list them; the handler asks for more otherwise.
      Alarm: { kind: 'unary', handler: alarm, access: 'identity', onLearner: 'refuse', label: 'maintenance.alarm' },
      Status: { kind: 'unary', handler: status, access: 'identity', onLearner: 'serve', label: 'maintenance.status' },
      Defragment: { kind: 'notBuilt', access: 'operate', onLearner: 'refuse', label: 'maintenance.defragment' },
      Hash: { kind: 'notBuilt', access: 'monitor', onLearner: 'refuse', label: 'maintenance.hash' },
      HashKV: { kind: 'notBuilt', access: 'monitor', onLearner: 'refuse', label: 'maintenance.hash_kv' },
      Snapshot: { kind: 'notBuilt', access: 'backup', onLearner: 'serve', label: 'maintenance.snapshot' },
      MoveLeader: { kind: 'notBuilt', access: 'operate', onLearner: 'refuse', label: 'maintenance.move_leader' },
      Downgrade: {
        kind: 'unary',
        handler: downgrade,
        access: 'operate',
        onLearner: 'refuse',
        label: 'maintenance.downgrade',
      },
    },
    'etcdserverpb.Auth': authRows(login, passwords),
    'leasehold.v1.Tokens': {
      Issue: { kind: 'unary', handler: tokenIssue, access: 'known', onLearner: 'refuse', label: 'tokens.issue' },
      Revoke: { kind: 'unary', handler: tokenRevoke, access: 'known', onLearner: 'refuse', label: 'tokens.revoke' },
      Keys: { kind: 'unary', handler: tokenKeys, access: 'open', onLearner: 'serve', label: 'tokens.keys' },
      WhoAmI: { kind: 'unary', handler: whoAmI, access: 'known', onLearner: 'serve', label: 'tokens.who_am_i' },
    },
    'leasehold.v1.Policies': {
      Get: { kind: 'unary', handler: policyGet, access: 'audit', onLearner: 'refuse', label: 'policies.get' },
      Apply: { kind: 'unary', handler: policyApply, access: 'root', onLearner: 'refuse', label: 'policies.apply' },
    },
    'v3lockpb.Lock': {
      Lock: { kind: 'unary', handler: lockInTurn, access: 'keys', onLearner: 'refuse', label: 'lock.lock' },
      Unlock: { kind: 'unary', handler: unlock, access: 'keys', onLearner: 'refuse', label: 'lock.unlock' },
    },
    'v3electionpb.Election': {
      Campaign: {
        kind: 'unary',
        handler: campaignInTurn,
        access: 'keys',
        onLearner: 'refuse',
        label: 'election.campaign',
      },
      Proclaim: { kind: 'unary', handler: proclaim, access: 'keys', onLearner: 'refuse', label: 'election.proclaim' },
      Leader: { kind: 'unary', handler: leader, access: 'keys', onLearner: 'refuse', label: 'election.leader' },
      Observe: {
        kind: 'serverStream',
        handler: serveObserve,
        access: 'keys',
        onLearner: 'refuse',
        label: 'election.observe',
      },
      Resign: { kind: 'unary', handler: resign, access: 'keys', onLearner: 'refuse', label: 'election.resign' },
    },
    'grpc.health.v1.Health': {
      Check: { kind: 'unary', handler: checkHealth, access: 'open', onLearner: 'serve', label: 'health.check' },
      Watch: { kind: 'serverStream', handler: watchHealth, access: 'open', onLearner: 'serve', label: 'health.watch' },
    },
    'grpc.reflection.v1.ServerReflection': { ServerReflectionInfo: reflectionRow('reflection.info') },
    'grpc.reflection.v1alpha.ServerReflection': { ServerReflectionInfo: reflectionRow('reflection.info_v1alpha') },
  }
  return table
}
