import { noMember } from '../base/ids.ts'
import { Code, EtcdError } from '../errors.ts'
import { HealthCheckRequest, HealthCheckResponse, HealthCheckResponse_ServingStatus } from '../wire/gen/health.ts'
import { decodeRequest } from './decode.ts'
import type { Member } from './member.ts'
import { StatusError } from './status-error.ts'
import type { MessageStream } from './stream.ts'

export interface HealthService {
  /** @throws StatusError NotFound if there is no such service. */
  check(request: Uint8Array): Uint8Array
  /** The state now and at every change, until the client goes. */
  watch(request: Uint8Array, stream: MessageStream): void
  /** This member is about to stop: it is not serving any more. Who watches is told so, and to go elsewhere. Repeatable. */
  stop(): void
}

const encodeStatus = (status: HealthCheckResponse_ServingStatus): Uint8Array =>
  HealthCheckResponse.encode({ status }).finish()
const serving = encodeStatus(HealthCheckResponse_ServingStatus.SERVING)
const notServing = encodeStatus(HealthCheckResponse_ServingStatus.NOT_SERVING)
const serviceUnknown = encodeStatus(HealthCheckResponse_ServingStatus.SERVICE_UNKNOWN)

/**
 * The gRPC health protocol. A member that knows no leader can neither write nor read linearizably: whoever balances load
 * should go elsewhere.
 *
 * @param services what may be asked about, beside the empty name, which is the member as a whole. All share one answer.
 */
export function createHealthService(member: Member, services: Iterable<string>): HealthService {
  const known = new Set(['', ...services])
  const onStop = new Set<() => void>()
  let isStopping = false
  const now = (): Uint8Array => (isStopping || member.leader() === noMember ? notServing : serving)

  return {
    check(request) {
      const { service } = decodeRequest(HealthCheckRequest, request)
      if (!known.has(service)) throw new StatusError(Code.NotFound, 'unknown service')
      return now()
    },

    watch(request, stream) {
      const { service } = decodeRequest(HealthCheckRequest, request)
      if (!known.has(service)) {
        // The protocol keeps the stream open, in case the service comes into being: ours never do.
        stream.write(serviceUnknown)
        return
      }
      let last = now()
      stream.write(last)
      const changed = (): void => {
        const next = now()
        if (next === last) return
        last = next
        stream.write(next)
      }
      const unsubscribe = member.onLeader(changed)
      const stop = (): void => {
        changed()
        stream.end(new EtcdError('stopped'))
      }
      onStop.add(stop)
      stream.onClose(() => {
        unsubscribe()
        onStop.delete(stop)
      })
    },

    stop() {
      isStopping = true
      for (const stop of [...onStop]) stop()
    },
  }
}
