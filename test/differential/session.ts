import { LeaseKeepAliveRequest, LeaseKeepAliveResponse, type PutRequest } from '../../src/wire/gen/rpc.ts'
import { messageText, withPlainHeaders } from './canonical.ts'
import { decodeRequest, decodeResponse, encodeRequest } from './codec.ts'
import { type Area, Difference } from './difference.ts'
import { type Answer, isRefusal, type KnownDifferences } from './known-differences.ts'
import { LeaseNames } from './lease-names.ts'
import { expiringLease } from './lease-steps.ts'
import { ReferenceWatch } from './reference-watch.ts'
import type { Outcome, RpcStream } from './rpc-client.ts'
import type { Server } from './server.ts'
import {
  type BytesCall,
  type Call,
  isRead,
  type KeepAlive,
  type MethodName,
  methods,
  pathOf,
  type Step,
  type Watch,
} from './step.ts'
import { mapIntegers, resolveSymbols } from './symbols.ts'
import { WatchLog } from './watch-log.ts'
import { WatchPair } from './watch-pair.ts'

/** Reads that may be under way together. */
const readsMax = 8
const keepAliveMsMax = 8000
const settleMsMax = 8000
const expiryMsMax = 20_000

const watchPath = '/etcdserverpb.Watch/Watch'
const keepAlivePath = '/etcdserverpb.Lease/LeaseKeepAlive'

interface Side {
  readonly server: Server
  readonly leases: LeaseNames
  keepAlive: RpcStream | null
}

/**
 * One run of steps against a fresh etcd and a fresh leasehold. Every write is answered by both before the next request
 * is sent, so that both are in the same state all the time and any two answers can be compared.
 */
export class Session {
  readonly #etcd: Side
  readonly #leasehold: Side
  readonly #known: KnownDifferences
  readonly #watches = new Map<number, WatchPair>()
  #openedReference: ReferenceWatch | null = null
  /** Revision of both stores after the last answer, and of the last compaction (0 if there was none). */
  #current = 1
  #compacted = 0
  #leaseIsToExpire = false

  constructor(etcd: Server, leasehold: Server, known: KnownDifferences) {
    this.#etcd = { server: etcd, leases: new LeaseNames(), keepAlive: null }
    this.#leasehold = { server: leasehold, leases: new LeaseNames(), keepAlive: null }
    this.#known = known
  }

  /** @throws Difference; `onStep` has then been told of the step in which it showed (or of some reads after it). */
  async run(steps: Iterable<Step>, onStep: (step: Step) => void): Promise<void> {
    let reads: Promise<void>[] = []
    const finishReads = async (): Promise<void> => {
      const results = await Promise.allSettled(reads)
      reads = []
      for (const result of results) if (result.status === 'rejected') throw result.reason
    }
    for (const step of steps) {
      if (!isRead(step) || reads.length >= readsMax) await finishReads()
      onStep(step)
      if (isRead(step)) reads.push(this.#take(step))
      else await this.#take(step)
    }
    await finishReads()
  }

  #take(step: Step): Promise<void> {
    switch (step.kind) {
      case 'call':
      case 'bytes':
        return this.#call(step)
      case 'keepAlive':
        return this.#renew(step)
      case 'watch':
        return this.#watch(step)
      case 'watchBytes': {
        const pair = this.#openWatch(step.stream)
        pair.send(step.bytes)
        this.#watches.delete(step.stream)
        return pair.end()
      }
      case 'closeWatch':
        this.#watches.get(step.stream)?.close()
        this.#watches.delete(step.stream)
        return Promise.resolve()
      case 'settle':
        return this.#settle()
      case 'awaitExpiry':
        return this.#awaitExpiry()
    }
  }

  get #sides(): readonly [Side, Side] {
    return [this.#etcd, this.#leasehold]
  }

  async #call(step: Call | BytesCall): Promise<void> {
    const { method } = step
    const [forEtcd, forLeasehold] = this.#sides.map((side) =>
      step.kind === 'bytes' ? step.bytes : encodeRequest(method, this.#resolved(step.message, side)),
    ) as [Uint8Array, Uint8Array]
    const message = decodeRequest(method, forLeasehold)
    const row = message === null ? null : this.#known.onlyHere(method, message)
    if (row) {
      const answer = this.#answer(this.#leasehold, method, await unary(this.#leasehold, method, forLeasehold))
      if (!isRefusal(row, answer)) throw new Difference(areaOf(method), row.name, 'is not asked', answer.text)
      return
    }
    // A watch that etcd has not begun to serve would be ended by the compaction.
    if (method === 'Compact') for (const pair of this.#watches.values()) await pair.untilSynced()
    const outcomes = await Promise.all([
      unary(this.#etcd, method, forEtcd),
      unary(this.#leasehold, method, forLeasehold),
    ])
    this.#learnLease(method, step, outcomes)
    const etcd = this.#answer(this.#etcd, method, outcomes[0])
    const leasehold = this.#answer(this.#leasehold, method, outcomes[1], etcd)
    if (etcd.text !== leasehold.text) {
      const exchange = { method, message, isAltered: step.kind === 'bytes', etcd, leasehold }
      if (!this.#known.explains(exchange)) throw new Difference(areaOf(method), method, etcd.text, leasehold.text)
    }
    this.#advance(method, message, etcd)
  }

  #resolved<T>(message: T, side: Side): T {
    const { leases } = side
    return resolveSymbols(message, { lease: (n) => leases.idOf(n), current: this.#current, compacted: this.#compacted })
  }

  /** A lease that the servers named: from now on both names stand for the same. */
  #learnLease(method: MethodName, step: Call | BytesCall, [etcd, leasehold]: readonly [Outcome, Outcome]): void {
    if (method !== 'LeaseGrant' || step.kind !== 'call' || step.method !== 'LeaseGrant' || step.message.ID !== 0n)
      return
    if (!('ok' in etcd) || !('ok' in leasehold)) return
    for (const [side, { ok }] of [
      [this.#etcd, etcd],
      [this.#leasehold, leasehold],
    ] as const) {
      side.leases.add(methods.LeaseGrant.response.decode(ok).ID)
    }
  }

  /** @param like an answer whose remaining seconds are taken over if they are nearly the same. */
  #answer(side: Side, method: MethodName, outcome: Outcome, like?: Answer): Answer {
    if ('error' in outcome) {
      const { code, message } = outcome.error
      return { message: null, error: outcome.error, text: `code ${code}: ${message}` }
    }
    const named = mapIntegers(decodeResponse(method, outcome.ok), (value) => side.leases.symbolOf(value))
    const message = side.leases.comparable(method, withPlainHeaders(named), like?.message)
    return { message, error: null, text: messageText(message) }
  }

  /** Keeps up with where the store is. */
  #advance(method: MethodName, request: unknown, { message, error }: Answer): void {
    if (error !== null) return
    const { header } = message as { header?: { revision: bigint } }
    this.#current = Math.max(this.#current, Number(header?.revision ?? 0n))
    if (method === 'Compact') this.#compacted = Number((request as { revision: bigint }).revision)
    if (method === 'Put' && (request as PutRequest).lease === expiringLease) this.#leaseIsToExpire = true
    for (const side of this.#sides) side.leases.sawAnswer(method, message)
  }

  async #renew(step: KeepAlive): Promise<void> {
    const answers = await Promise.all(
      this.#sides.map(async (side) => {
        side.keepAlive ??= side.server.client.stream(keepAlivePath)
        const stream = side.keepAlive
        for (const ID of this.#resolved(step.ids, side)) stream.send(LeaseKeepAliveRequest.encode({ ID }).finish())
        const isAnswered = (): boolean => stream.received.length >= step.ids.length || stream.ended !== null
        await stream.until(isAnswered, keepAliveMsMax)
        const texts = stream.received.splice(0).map((bytes) => {
          const response = mapIntegers(LeaseKeepAliveResponse.decode(bytes), (value) => side.leases.symbolOf(value))
          side.leases.renewed(response)
          return messageText(withPlainHeaders(response))
        })
        if (stream.ended !== null) {
          side.keepAlive = null
          texts.push(`ended: ${JSON.stringify(stream.ended)}`)
        }
        return texts.join('\n')
      }),
    )
    const [etcd, leasehold] = answers as [string, string]
    if (etcd !== leasehold) throw new Difference('lease', 'LeaseKeepAlive', etcd, leasehold)
    if (etcd === '') throw new Difference('lease', 'LeaseKeepAlive', 'no answer', 'no answer')
  }

  #openLogs(): { etcd: WatchLog; leasehold: WatchLog } {
    const [etcd, leasehold] = this.#sides.map(
      ({ server, leases }) => new WatchLog(server.client.stream(watchPath), (value) => leases.symbolOf(value)),
    ) as [WatchLog, WatchLog]
    return { etcd, leasehold }
  }

  #openWatch(stream: number): WatchPair {
    let pair = this.#watches.get(stream)
    if (pair === undefined) {
      const { etcd, leasehold } = this.#openLogs()
      pair = new WatchPair(etcd, leasehold, this.#known)
      this.#watches.set(stream, pair)
    }
    return pair
  }

  async #watch({ stream, request }: Watch): Promise<void> {
    const position = { current: this.#current, compacted: this.#compacted }
    const pair = this.#openWatch(stream)
    switch (request.$case) {
      case 'create_request': {
        const create = this.#resolved(request.value, this.#etcd)
        if (create.start_revision < 0n) this.#known.saw('negativeStart')
        else await pair.create(create, position)
        break
      }
      case 'cancel_request':
        await pair.cancel(request.value.watch_id)
        break
      case 'progress_request':
        if (pair.hasFutureWatch(position)) this.#known.saw('futureProgress')
        else await pair.progress()
        break
    }
  }

  /** Compares all that watches have been sent, which has to be all there is for them. */
  async #settle(): Promise<void> {
    await this.#reference.readTo(this.#current, settleMsMax)
    for (const pair of this.#watches.values()) await pair.settle(this.#reference.history)
  }

  /** The next revision is one that the servers make by themselves. */
  async #awaitExpiry(): Promise<void> {
    if (!this.#leaseIsToExpire) return
    this.#leaseIsToExpire = false
    await this.#settle()
    this.#current++
    await this.#reference.readTo(this.#current, expiryMsMax)
  }

  get #reference(): ReferenceWatch {
    if (this.#openedReference === null) {
      const { etcd, leasehold } = this.#openLogs()
      this.#openedReference = new ReferenceWatch(etcd, leasehold)
    }
    return this.#openedReference
  }

  close(): void {
    for (const { keepAlive } of this.#sides) keepAlive?.cancel()
    for (const pair of this.#watches.values()) pair.close()
    this.#openedReference?.close()
  }
}

const unary = ({ server }: Side, method: MethodName, bytes: Uint8Array): Promise<Outcome> =>
  server.client.unary(pathOf(method), bytes)

function areaOf(method: MethodName): Area {
  if (method === 'Txn') return 'txn'
  return methods[method].service === 'KV' ? 'kv' : 'lease'
}
