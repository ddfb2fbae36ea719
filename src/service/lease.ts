import { randomBytes } from 'node:crypto'
import { leaseId, noMember } from '../base/ids.ts'
import { idsByExpiry } from '../lease/expiry-list.ts'
import { leaseKeys, listLeases } from '../lease/records.ts'
import {
  LeaseGrantRequest,
  LeaseLeasesRequest,
  LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from '../wire/gen/rpc.ts'
import { checkLeaseGrant } from '../wire/validate.ts'
import { decodeRequest } from './decode.ts'
import type { Member } from './member.ts'
import { proposeAndRespond, respond } from './respond.ts'

/** Everything random or configured about a lease is settled here, before it enters the log. */
export function leaseGrant(member: Member, bytes: Uint8Array): Promise<Uint8Array> {
  const request = decodeRequest(LeaseGrantRequest, bytes)
  checkLeaseGrant(request)
  const ttlMin = BigInt(member.info.leaseTtlSecondsMin)
  const settled = {
    ID: request.ID === 0n ? randomLeaseId() : request.ID,
    TTL: request.TTL < ttlMin ? ttlMin : request.TTL,
  }
  return proposeAndRespond(member, 'leaseGrant', LeaseGrantRequest.encode(settled).finish())
}

/** Positive, 63 bits. Not guessable, so that no one can attach keys to, or revoke, a lease that was not shown to them. */
function randomLeaseId(): bigint {
  for (;;) {
    const id = BigInt.asUintN(63, randomBytes(8).readBigUInt64BE())
    if (id !== 0n) return id
  }
}

export function leaseRevoke(member: Member, bytes: Uint8Array): Promise<Uint8Array> {
  decodeRequest(LeaseRevokeRequest, bytes)
  return proposeAndRespond(member, 'leaseRevoke', bytes)
}

/** An unknown lease is no error: it has -1 seconds to live. */
export async function leaseTimeToLive(member: Member, bytes: Uint8Array): Promise<Uint8Array> {
  const request = decodeRequest(LeaseTimeToLiveRequest, bytes)
  const id = leaseId(request.ID)
  const times = await member.leaseTimes(id)
  let keys: readonly Uint8Array[] = []
  if (request.keys && times.ttlSeconds >= 0) {
    await member.readBarrier()
    keys = member.read((view) => leaseKeys(view, id))
  }
  const body = LeaseTimeToLiveResponse.encode({
    header: undefined,
    ID: request.ID,
    TTL: BigInt(times.ttlSeconds),
    grantedTTL: BigInt(times.grantedTtlSeconds),
    keys: [...keys],
  }).finish()
  return respond(member, member.revision(), body)
}

/**
 * Every lease that was granted before the call, those first that expire first: only the leader knows. Without a leader,
 * the leases that this member knows of, in no particular order, as in etcd.
 */
export async function leaseLeases(member: Member, bytes: Uint8Array): Promise<Uint8Array> {
  decodeRequest(LeaseLeasesRequest, bytes)
  const ids =
    member.leader() === noMember
      ? member.read((view) => listLeases(view).map(({ id }) => id))
      : idsByExpiry(await member.leaseExpiries())
  const leases = ids.map((id) => ({ ID: id }))
  return respond(member, member.revision(), LeaseLeasesResponse.encode({ header: undefined, leases }).finish())
}
