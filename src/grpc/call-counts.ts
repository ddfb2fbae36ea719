import { Histogram } from '../base/histogram.ts'
import { Code } from '../errors.ts'
import { methodNames, type ServiceName } from './method.ts'

/** Of one method. The words are those of gRPC's metrics for Prometheus. */
export interface CountedMethod {
  readonly service: ServiceName
  readonly method: string
  readonly type: 'unary' | 'server_stream' | 'bidi_stream'
}

const bidiStreams = new Set([
  'etcdserverpb.Watch/Watch',
  'etcdserverpb.Lease/LeaseKeepAlive',
  'grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  'grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
])
const serverStreams = new Set([
  'etcdserverpb.Maintenance/Snapshot',
  'v3electionpb.Election/Observe',
  'grpc.health.v1.Health/Watch',
])

function typeOf(name: string): CountedMethod['type'] {
  if (bidiStreams.has(name)) return 'bidi_stream'
  return serverStreams.has(name) ? 'server_stream' : 'unary'
}

/** Every method of the table; its place here is its number in the counts. */
export const countedMethods: readonly CountedMethod[] = (
  Object.entries(methodNames) as [ServiceName, readonly string[]][]
).flatMap(([service, methods]) => methods.map((method) => ({ service, method, type: typeOf(`${service}/${method}`) })))

const numbers = new Map(countedMethods.map(({ service, method }, number) => [`/${service}/${method}`, number]))

/** The number of the method that `path` calls; it must be one of the table. */
export const methodNumber = (path: string): number => numbers.get(path)!

/** Seconds; those of gRPC's metrics for Prometheus. */
export const handlingSecondsBounds: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

const codes = Code.Unauthenticated + 1
// Cells of one method: calls begun, messages in, messages out, calls by their code, and how long they took.
const received = 1
const sent = 2
const handled = 3
const seconds = handled + codes
const methodCells = seconds + Histogram.cellsOf(handlingSecondsBounds)
const totals = countedMethods.length * methodCells

/**
 * What one serving thread counts of its calls: plain additions to numbers in memory that another thread may read at any
 * moment. A reader may see a call begun that is not yet handled, never the other way round by more than what runs.
 */
export class CallCounts {
  /** After the methods: bytes of messages in and out. */
  static readonly cells = totals + 2
  readonly #cells: Float64Array
  readonly #durations: readonly Histogram[] | null

  /** @param timed whether it is also counted how long calls take. */
  constructor(timed: boolean, cells: Float64Array = new Float64Array(CallCounts.cells)) {
    this.#cells = cells
    const histogramOf = (_: CountedMethod, number: number): Histogram =>
      new Histogram(handlingSecondsBounds, cells.subarray(number * methodCells + seconds, (number + 1) * methodCells))
    this.#durations = timed ? countedMethods.map(histogramOf) : null
  }

  /** @returns when, in milliseconds of a monotonic clock, for `ended`; 0 where nobody wants to know. */
  began(method: number): number {
    this.#cells[method * methodCells]!++
    return this.#durations === null ? 0 : performance.now()
  }

  messageReceived(method: number, bytes: number): void {
    this.#cells[method * methodCells + received]!++
    this.#cells[totals]! += bytes
  }

  messageSent(method: number, bytes: number): void {
    this.#cells[method * methodCells + sent]!++
    this.#cells[totals + 1]! += bytes
  }

  ended(method: number, code: Code, beganMs: number): void {
    this.#cells[method * methodCells + handled + code]!++
    this.#durations?.[method]?.observe((performance.now() - beganMs) / 1000)
  }

  begunOf(method: number): number {
    return this.#cells[method * methodCells]!
  }

  receivedOf(method: number): number {
    return this.#cells[method * methodCells + received]!
  }

  sentOf(method: number): number {
    return this.#cells[method * methodCells + sent]!
  }

  handledOf(method: number, code: Code): number {
    return this.#cells[method * methodCells + handled + code]!
  }

  /** Null: calls are not timed. */
  secondsOf(method: number): Histogram | null {
    return this.#durations?.[method] ?? null
  }

  get receivedBytes(): number {
    return this.#cells[totals]!
  }

  get sentBytes(): number {
    return this.#cells[totals + 1]!
  }
}
