import { emptyBytes } from '../base/bytes.ts'
import { EtcdError } from '../errors.ts'
import {
  CampaignRequest,
  CampaignResponse,
  type LeaderKey,
  LeaderRequest,
  LeaderResponse,
  ProclaimRequest,
  ResignRequest,
} from '../wire/gen/election.ts'
import type { Call } from './call.ts'
import { decodeRequest } from './decode.ts'
import type { Member } from './member.ts'
import { firstCreatedOp, ownTxn } from './own-txn.ts'
import { respond } from './respond.ts'
import { announce, queueEnd, queuePrefix, type TurnQueue, withdraw } from './turn-queue.ts'

/**
 * Waits to be elected. `rev` of the leader key is a fencing token: it is above that of every leader before, and a
 * transaction that compares the key's create revision with it does nothing once the leadership is lost.
 *
 * @throws EtcdError leaseNotFound; electionNotLeader if the key was deleted while the caller waited.
 */
export async function campaign(queue: TurnQueue, member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const { name, lease, value } = decodeRequest(CampaignRequest, bytes)
  const turn = await queue.take(member, { name, lease, value, lost: 'electionNotLeader' }, call)
  const leader = { name, key: turn.key, rev: turn.created, lease: turn.lease }
  return respond(member, Number(turn.revision), CampaignResponse.encode({ header: undefined, leader }).finish())
}

/**
 * The leader says something new. A lease of 0 keeps the one that its key has; etcd puts the key on a new lease then.
 *
 * @throws EtcdError leaderKeyMissing, electionNotLeader.
 */
export async function proclaim(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const { leader, value } = decodeRequest(ProclaimRequest, bytes)
  const { key, rev, lease } = requireLeader(leader)
  // etcd would create the key: nobody was ever elected before the first revision.
  if (rev <= 0n && key.length > 0) throw new EtcdError('electionNotLeader')
  return respond(member, Number(await announce(member, call, { key, created: rev, lease }, value)), emptyBytes)
}

/** Lets the next one lead. Whoever no longer leads loses nothing: no error. @throws EtcdError leaderKeyMissing. */
export async function resign(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const { key, rev } = requireLeader(decodeRequest(ResignRequest, bytes).leader)
  return respond(member, Number(await withdraw(member, call, { key, created: rev })), emptyBytes)
}

/** @throws EtcdError electionNoLeader. */
export async function leader(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const prefix = queuePrefix(decodeRequest(LeaderRequest, bytes).name)
  const success = [firstCreatedOp(prefix, queueEnd(prefix))]
  const seen = await ownTxn(member, call, { compare: [], success, failure: [] })
  const [kv] = seen.kvs(0)
  if (kv === undefined) throw new EtcdError('electionNoLeader')
  return respond(member, Number(seen.revision), LeaderResponse.encode({ header: undefined, kv }).finish())
}

function requireLeader(leader: LeaderKey | undefined): LeaderKey {
  if (leader === undefined) throw new EtcdError('leaderKeyMissing')
  return leader
}
