import { randomBytes } from 'node:crypto'
import { identity, type Operation, readingLease, writingLease } from '../auth/operation.ts'
import { type LeaseId, leaseId, noMember } from '../base/ids.ts'
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
import { accessOf, admit, requireAccess } from './access.ts'
import type { Call } from './call.ts'
import { decodeRequest } from './decode.ts'
import type { Member } from './member.ts'
import { proposeAndRespond, respond } from './respond.ts'

/** Everything random or configured about a lease is settled here, before it enters the log. */
export function leaseGrant(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const request = decodeRequest(LeaseGrantRequest, bytes)
  checkLeaseGrant(request)
  const ttlMin = BigInt(member.info.leaseTtlSecondsMin)
  const settled = {
    ID: request.ID === 0n ? randomLeaseId() : request.ID,
    TTL: request.TTL < ttlMin ? ttlMin : request.TTL,
  }
  const caller = admit(member, call, () => identity)
  return proposeAndRespond(member, 'leaseGrant', LeaseGrantRequest.encode(settled).finish(), caller)
}

/** Positive, 63 bits. Not guessable, so that no one can attach keys to, or revoke, a lease that was not shown to them. */
function randomLeaseId(): bigint {
  for (;;) {
    const id = BigInt.asUintN(63, randomBytes(8).readBigUInt64BE())
    if (id !== 0n) return id
  }
}

/** Its keys go with it: all of them must be the caller's to write. */
export function leaseRevoke(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const { ID } = decodeRequest(LeaseRevokeRequest, bytes)
  const caller = admit(member, call, () => writingLease(leaseId(ID)))
  return proposeAndRespond(member, 'leaseRevoke', bytes, caller)
}

/** An unknown lease is no error: it has -1 seconds to live. Its keys are shown to those only who may read all of them. */
export async function leaseTimeToLive(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const request = decodeRequest(LeaseTimeToLiveRequest, bytes)
  const id = leaseId(request.ID)
  const needed = (): Operation => (request.keys ? readingLease(id) : identity)
  admit(member, call, needed)
  const times = await member.leaseTimes(id)
  let keys: readonly Uint8Array[] = []
  if (request.keys && times.ttlSeconds >= 0) {
    await member.readBarrier()
    keys = member.read((view) => {
      requireAccess(member, view, call, needed)
      return leaseKeys(view, id)
    })
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
 * the leases that this member knows of, in no particular order, as in etcd. Those with a key that the caller may not read
 * are left out.
 */
export async function leaseLeases(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  decodeRequest(LeaseLeasesRequest, bytes)
  admit(member, call, () => identity)
  const ids =
    member.leader() === noMember
      ? member.read((view) => listLeases(view).map(({ id }) => id))
      : idsByExpiry(await member.leaseExpiries())
  const leases = shownTo(member, call, ids).map((id) => ({ ID: id }))
  return respond(member, member.revision(), LeaseLeasesResponse.encode({ header: undefined, leases }).finish())
}

/** Of leases, those whose keys the caller may all read. @throws EtcdError if it may not ask any more. */
function shownTo(member: Member, call: Call, ids: readonly LeaseId[]): readonly LeaseId[] {
  return member.read((view) => {
    const caller = requireAccess(member, view, call, () => identity)
    const access = accessOf(member)
    if (!access.rules(view).enabled) return ids
    return ids.filter((id) => access.denialOf(view, caller, readingLease(id)) === null)
  })
}
