import { randomBytes } from 'node:crypto'
import { leaseJson } from '../audit/render.ts'
import { authorize } from '../auth/authorize.ts'
import { type Operation, reading, readingLease, usingLeases, writingLease } from '../auth/operation.ts'
import { emptyBytes } from '../base/bytes.ts'
import { type LeaseId, leaseId, noMember } from '../base/ids.ts'
import type { KeyRange } from '../base/key-range.ts'
import { idsByExpiry } from '../lease/expiry-list.ts'
import { listLeases, scanLeaseKeys } from '../lease/records.ts'
import { leaseKeyFrom } from '../mvcc/lease-attachment.ts'
import { getRevision } from '../mvcc/meta.ts'
import { Pace } from '../mvcc/steps.ts'
import type { ReadView } from '../mvcc/view.ts'
import {
  LeaseGrantRequest,
  LeaseLeasesRequest,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from '../wire/gen/rpc.ts'
import { Pieces } from '../wire/pieces.ts'
import { leaseKeysTag, leaseStatusField } from '../wire/responses.ts'
import { checkLeaseGrant } from '../wire/validate.ts'
import { accessOf, admit, requireAccess } from './access.ts'
import { refuseEnded } from './admission.ts'
import type { Answer } from './answer.ts'
import type { Call } from './call.ts'
import { decodeRequest } from './decode.ts'
import { type Reading, readInSteps } from './long-reads.ts'
import type { Member } from './member.ts'
import { knownRevision, proposeAndRespond, respond } from './respond.ts'

/** Everything random or configured about a lease is settled here, before it enters the log. */
export function leaseGrant(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const request = decodeRequest(LeaseGrantRequest, bytes)
  checkLeaseGrant(request)
  const ttlMin = BigInt(member.info.leaseTtlSecondsMin)
  const settled = {
    ID: request.ID === 0n ? randomLeaseId() : request.ID,
    TTL: request.TTL < ttlMin ? ttlMin : request.TTL,
  }
  const caller = admit(member, call, () => usingLeases)
  call.audit?.detail(leaseJson(settled.ID))
  return proposeAndRespond(member, call, 'leaseGrant', LeaseGrantRequest.encode(settled).finish(), caller)
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
  return proposeAndRespond(member, call, 'leaseRevoke', bytes, caller)
}

/** An unknown lease is no error: it has -1 seconds to live. Its keys are shown to those only who may read all of them. */
export async function leaseTimeToLive(member: Member, bytes: Uint8Array, call: Call): Promise<Answer> {
  const request = decodeRequest(LeaseTimeToLiveRequest, bytes)
  const id = leaseId(request.ID)
  const needed = (): Operation => (request.keys ? readingLease(id) : usingLeases)
  admit(member, call, needed)
  if (!request.keys) call.audit?.detail(leaseJson(request.ID))
  const times = await member.leaseTimes(id)
  const withoutKeys = LeaseTimeToLiveResponse.encode({
    header: undefined,
    ID: request.ID,
    TTL: BigInt(times.ttlSeconds),
    grantedTTL: BigInt(times.grantedTtlSeconds),
    keys: [],
  }).finish()
  if (!request.keys || times.ttlSeconds < 0) return respond(member, knownRevision(member), withoutKeys)
  await member.readBarrier()
  refuseEnded(call)
  return readInSteps(member, call, needed, function* (view): ReturnType<Reading> {
    requireAccess(member, view, call, needed)
    const body = new Pieces()
    body.add(withoutKeys)
    const pace = new Pace()
    for (const key of scanLeaseKeys(view, id)) {
      body.addBytes(leaseKeysTag, key)
      if (!pace.isOver(key.length, key.length)) continue
      body.pack()
      yield pace.next()
    }
    return { body, revision: getRevision(view) }
  })
}

/**
 * Every lease that was granted before the call, those first that expire first: only the leader knows. Without a leader,
 * the leases that this member knows of, in no particular order, as in etcd. Those with a key that the caller may not read
 * are left out, and so are those without keys for whoever may not read all there are: until its first key comes a lease is
 * anybody's who knows its id.
 */
export async function leaseLeases(member: Member, bytes: Uint8Array, call: Call): Promise<Answer> {
  decodeRequest(LeaseLeasesRequest, bytes)
  admit(member, call, () => usingLeases)
  const expiries = member.leader() === noMember ? null : await member.leaseExpiries()
  refuseEnded(call)
  return readInSteps(
    member,
    call,
    () => usingLeases,
    function* (view): ReturnType<Reading> {
      const isShown = shownTo(member, view, call)
      const ids = expiries === null ? listLeases(view).map(({ id }) => id) : yield* idsByExpiry(expiries)
      const body = new Pieces()
      const pace = new Pace()
      for (const id of ids) {
        const field = isShown(id) ? leaseStatusField(id) : emptyBytes
        if (field.length > 0) body.add(field)
        if (!pace.isOver(0, field.length)) continue
        body.pack()
        yield pace.next()
      }
      return { body, revision: getRevision(view) }
    },
  )
}

/** Tells the leases that the caller is shown. @throws EtcdError if it may not ask any more. */
function shownTo(member: Member, view: ReadView, call: Call): (id: LeaseId) => boolean {
  const caller = requireAccess(member, view, call, () => usingLeases)
  const rules = accessOf(member).rules(view)
  if (!rules.enabled) return () => true
  const may = (operation: Operation): boolean => authorize(rules, view, caller, operation) === null
  const seesAll = may(reading(everyKey))
  return (id) => may(readingLease(id)) && (seesAll || leaseKeyFrom(view, id, emptyBytes) !== null)
}

const everyKey: KeyRange = { start: Uint8Array.of(0), end: null, isPoint: false }
