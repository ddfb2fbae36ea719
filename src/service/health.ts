import { noMember } from '../base/ids.ts'
import { Code } from '../errors.ts'
import { HealthCheckRequest, HealthCheckResponse, HealthCheckResponse_ServingStatus } from '../wire/gen/health.ts'
import { decodeRequest } from './decode.ts'
import type { Member } from './member.ts'
import { StatusError } from './status-error.ts'
import type { MessageStream } from './stream.ts'

/** What may be asked about; the empty name is the member as a whole. All share one answer. */
const knownServices = new Set([
  '',
  'etcdserverpb.KV',
  'etcdserverpb.Watch',
  'etcdserverpb.Lease',
  'etcdserverpb.Cluster',
  'etcdserverpb.Maintenance',
])

const encodeStatus = (status: HealthCheckResponse_ServingStatus): Uint8Array =>
  HealthCheckResponse.encode({ status }).finish()
const serving = encodeStatus(HealthCheckResponse_ServingStatus.SERVING)
const notServing = encodeStatus(HealthCheckResponse_ServingStatus.NOT_SERVING)
const serviceUnknown = encodeStatus(HealthCheckResponse_ServingStatus.SERVICE_UNKNOWN)

/** A member that knows no leader can neither write nor read linearizably: whoever balances load should go elsewhere. */
const healthOf = (member: Member): Uint8Array => (member.leader() === noMember ? notServing : serving)

export function healthCheck(member: Member, bytes: Uint8Array): Uint8Array {
  const request = decodeRequest(HealthCheckRequest, bytes)
  if (!knownServices.has(request.service)) throw new StatusError(Code.NotFound, 'unknown service')
  return healthOf(member)
}

/** The state now and at every change, until the client goes. */
export function healthWatch(member: Member, bytes: Uint8Array, stream: MessageStream): void {
  const request = decodeRequest(HealthCheckRequest, bytes)
  if (!knownServices.has(request.service)) {
    // The protocol keeps the stream open, in case the service comes into being: ours never do.
    stream.write(serviceUnknown)
    return
  }
  let last = healthOf(member)
  stream.write(last)
  const unsubscribe = member.onLeader(() => {
    const now = healthOf(member)
    if (now === last) return
    last = now
    stream.write(now)
  })
  stream.onClose(unsubscribe)
}
