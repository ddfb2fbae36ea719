import type { Histogram } from '../base/histogram.ts'
import { Code } from '../errors.ts'
import { type CallCounts, countedMethods } from '../grpc/call-counts.ts'
import { counter, type Family, histogramSamples, type Labels, type Sample } from './family.ts'

/** In the order of the alphabet, as etcd's libraries write them: scripts look for whole lines. */
const labelsOf: readonly Labels[] = countedMethods.map(({ service, method, type }) => ({
  grpc_method: method,
  grpc_service: service,
  grpc_type: type,
}))

/** gRPC's names for its codes; ours, but for the first. */
const codes: readonly (readonly [name: string, code: Code])[] = Object.entries(Code).map(([name, code]) => [
  name === 'Ok' ? 'OK' : name,
  code,
])

/**
 * What clients called, with the names of go-grpc-prometheus, which etcd and the dashboards made for it use.
 *
 * @param all of every serving thread.
 */
export function callFamilies(all: readonly CallCounts[]): Family[] {
  const sum = (read: (counts: CallCounts) => number): number => all.reduce((total, each) => total + read(each), 0)
  const perMethod = (name: string, help: string, read: (counts: CallCounts, method: number) => number): Family => ({
    name,
    help,
    type: 'counter',
    samples: () => labelsOf.map((labels, method) => ({ labels, value: sum((counts) => read(counts, method)) })),
  })
  return [
    perMethod('grpc_server_started_total', 'Calls begun.', (counts, method) => counts.begunOf(method)),
    perMethod('grpc_server_msg_received_total', 'Messages received.', (counts, method) => counts.receivedOf(method)),
    perMethod('grpc_server_msg_sent_total', 'Messages sent.', (counts, method) => counts.sentOf(method)),
    {
      name: 'grpc_server_handled_total',
      help: 'Calls ended, by their code.',
      type: 'counter',
      samples: () =>
        labelsOf.flatMap((labels, method) =>
          codes.map(([name, code]) => ({
            labels: { grpc_code: name, ...labels },
            value: sum((counts) => counts.handledOf(method, code)),
          })),
        ),
    },
    ...(all[0]?.secondsOf(0) == null ? [] : [secondsFamily(all)]),
    counter('etcd_network_client_grpc_received_bytes_total', 'Bytes of messages received from clients.', () =>
      sum((counts) => counts.receivedBytes),
    ),
    counter('etcd_network_client_grpc_sent_bytes_total', 'Bytes of messages sent to clients.', () =>
      sum((counts) => counts.sentBytes),
    ),
  ]
}

function secondsFamily(all: readonly CallCounts[]): Family {
  function* samples(): Generator<Sample> {
    for (const [method, labels] of labelsOf.entries()) {
      const parts = all.map((counts) => counts.secondsOf(method)).filter((part): part is Histogram => part !== null)
      yield* histogramSamples(parts, labels)
    }
  }
  return {
    name: 'grpc_server_handling_seconds',
    help: 'From the beginning of a call to its status, for streams, too.',
    type: 'histogram',
    samples,
  }
}
