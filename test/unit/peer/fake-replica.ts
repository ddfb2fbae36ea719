import { type ClusterId, clusterId, type MemberId, memberId } from '../../../src/base/ids.ts'
import type { Log } from '../../../src/base/log.ts'
import type { TlsFiles } from '../../../src/config/member-config.ts'
import { createPeers, type PeerMembers, type PeerTransport } from '../../../src/peer/index.ts'
import type { PeerTimeouts } from '../../../src/peer/peer-limits.ts'
import { type Message, MessageKind } from '../../../src/raft/types.ts'
import type { PeerCallDone, PeerEvents, PeerMethod, SnapshotSink, StagedState } from '../../../src/replica/ports.ts'
import type { TlsSource } from '../../../src/security/tls-source.ts'

export const cluster = clusterId(0xc1n)

/** What a test sees of one member: everything its transport reported, and a way to wait for it. */
export interface FakeReplica {
  readonly id: MemberId
  readonly transport: PeerTransport
  readonly received: Message[]
  readonly unreachable: MemberId[]
  readonly snapshots: { readonly message: Message; readonly staged: StagedState }[]
  readonly warnings: string[]
  readonly infos: readonly string[]
  answer: (from: MemberId, method: PeerMethod, request: Uint8Array, done: PeerCallDone) => void
  acceptSnapshot: (message: Message) => SnapshotSink | null
  port(): number
}

export interface FakeReplicaOptions {
  readonly id: bigint
  readonly cluster?: ClusterId
  readonly members?: PeerMembers
  readonly tls?: TlsFiles | TlsSource | null
  readonly port?: number
  readonly clusterToken?: string
  readonly timeouts?: Partial<PeerTimeouts>
}

export function fakeReplica(options: FakeReplicaOptions): FakeReplica {
  const tls = options.tls ?? null
  const received: Message[] = []
  const unreachable: MemberId[] = []
  const snapshots: { message: Message; staged: StagedState }[] = []
  const warnings: string[] = []
  const infos: string[] = []
  const noteIn =
    (lines: string[]) =>
    (message: string, fields: Record<string, unknown> = {}): void =>
      void lines.push(`${message} ${JSON.stringify(fields)}`)
  const note = noteIn(warnings)
  const log: Log = { debug() {}, info: noteIn(infos), warn: note, error: note, fatal: note }
  const events: PeerEvents = {
    receive: (message) => received.push(message),
    acceptSnapshot: (message) => replica.acceptSnapshot(message),
    receiveSnapshot: (message, staged) => snapshots.push({ message, staged }),
    unreachable: (member) => unreachable.push(member),
    answer: (from, method, request, done) => replica.answer(from, method, request, done),
  }
  const transport = createPeers({
    self: { clusterId: options.cluster ?? cluster, memberId: memberId(options.id) },
    members: options.members ?? new Map(),
    ...(options.clusterToken === undefined ? {} : { clusterToken: options.clusterToken }),
    listenUrls: [new URL(`${tls === null ? 'http' : 'https'}://127.0.0.1:${options.port ?? 0}`)],
    tls,
    events,
    log,
    timeouts: { reconnectMsMin: 5, reconnectMsMax: 50, ...options.timeouts },
  })
  const replica: FakeReplica = {
    id: memberId(options.id),
    transport,
    received,
    unreachable,
    snapshots,
    warnings,
    infos,
    answer: (_from, _method, request, done) => setImmediate(done, null, request),
    acceptSnapshot: () => null,
    port: () => transport.addresses()[0]!.port,
  }
  return replica
}

/** Starts all and tells each where the others listen. */
export async function connectAll(replicas: readonly FakeReplica[], scheme: 'http' | 'https'): Promise<void> {
  for (const replica of replicas) await replica.transport.start()
  const members = membersOf(replicas, scheme)
  for (const replica of replicas) replica.transport.setMembers(members)
  await until('all are connected', () =>
    replicas.every((one) => replicas.every((other) => one === other || one.transport.connectedMs(other.id) !== null)),
  )
}

export const membersOf = (replicas: readonly FakeReplica[], scheme: 'http' | 'https'): PeerMembers =>
  new Map(replicas.map((each) => [each.id, { peerUrls: [`${scheme}://127.0.0.1:${each.port()}`] }]))

export const closeAll = async (replicas: readonly FakeReplica[]): Promise<void> => {
  await Promise.all(replicas.map((each) => each.transport.close()))
}

/** Polls until `condition` holds; fails loudly with what was waited for: that it hangs, not that it is slow. */
export async function until(what: string, condition: () => boolean, msMax = 60_000): Promise<void> {
  const deadline = performance.now() + msMax
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${msMax} ms in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

export const heartbeat = (from: FakeReplica, to: FakeReplica, commit: number): Message => ({
  kind: MessageKind.Heartbeat,
  from: from.id,
  to: to.id,
  term: 1,
  commit,
})

export const proposal = (from: FakeReplica, to: FakeReplica, bytes: number): Message => ({
  kind: MessageKind.Propose,
  from: from.id,
  to: to.id,
  term: 1,
  proposals: [{ type: 'normal', data: new Uint8Array(bytes) }],
})
