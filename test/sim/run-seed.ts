import { emptyBytes } from '../../src/base/bytes.ts'
import { Cluster } from './cluster.ts'
import { Dice } from './dice.ts'
import { LeaseClient } from './lease-client.ts'
import type { MemberProcess } from './member-process.ts'
import { Nemesis } from './nemesis.ts'
import { putRequest } from './requests.ts'
import { type Settings, type SettingsOverrides, settingsOf } from './settings.ts'
import { Trace } from './trace.ts'
import { requireProperty } from './violation.ts'
import { Client, type ClientWorld } from './workload.ts'

export interface RunOptions extends SettingsOverrides {
  readonly onLine?: (line: string) => void
}

export interface RunResult {
  readonly seed: number
  /** Null if every property held. */
  readonly failure: { readonly property: string; readonly message: string; readonly tail: readonly string[] } | null
  readonly traceHash: string
  readonly virtualMs: number
  readonly entries: number
  readonly writes: number
  readonly reads: number
  readonly searchesGivenUp: number
}

const tailLines = 300
/** After the last fault, the time within which the cluster must be whole and serve again. */
const recoveryMsMax = 60_000
/** Events in one run: more means that something spins. */
const eventsMax = 5_000_000

/** One cluster's life from one seed: faults and load, then calm, then nothing may be missing. */
export function runSeed(seed: number, options: RunOptions = {}): RunResult {
  const settings = settingsOf(seed, options)
  const trace = new Trace({ tailLines, ...(options.onLine ? { onLine: options.onLine } : {}) })
  trace.line(0, '-', describe(settings))
  let cluster: Cluster | null = null
  let failure: RunResult['failure'] = null
  try {
    cluster = new Cluster(settings, trace)
    live(cluster)
  } catch (error) {
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error))
    const property = error instanceof Object && 'property' in error ? String(error.property) : name
    failure = { property, message: name === 'Violation' ? message : (stack ?? message), tail: trace.tail() }
  }
  return {
    seed,
    failure,
    traceHash: trace.hash,
    virtualMs: cluster?.queue.nowMs ?? 0,
    entries: cluster?.reference.applied ?? 0,
    writes: cluster?.answers.writes ?? 0,
    reads: cluster?.answers.reads ?? 0,
    searchesGivenUp: cluster?.answers.searchesGivenUp ?? 0,
  }
}

function live(cluster: Cluster): void {
  const { settings, queue } = cluster
  const clients = startClients(cluster)
  const nemesis = new Nemesis(cluster, new Dice(settings.seed, 'nemesis'))
  nemesis.start()
  runUntil(cluster, settings.faultsMs)
  cluster.note('--- the faults end')
  nemesis.stop()
  // Under load for a while, then everybody must agree.
  runUntil(cluster, queue.nowMs + 3000)
  for (const client of clients) client.stop()
  cluster.note('--- the clients stop')
  waitFor(cluster, 'the cluster serves again', () => hasLeader(cluster))
  for (const member of cluster.activeMembers()) mustServe(cluster, member)
  waitFor(cluster, 'leases that nobody renews expire', () => cluster.promises.alive().length === 0)
  waitFor(cluster, 'all members catch up', () => cluster.activeMembers().every((member) => cluster.lag(member) === 0))
  for (const member of cluster.activeMembers()) cluster.reference.checkTables(member.name, member.state.tables)
  checkHistories(cluster)
  cluster.answers.checkHistories()
}

function startClients(cluster: Cluster): { stop(): void }[] {
  const { settings, queue, answers, promises } = cluster
  const world: ClientWorld = {
    queue,
    answers,
    members: () => cluster.allMembers(),
    trace: (who, what) => cluster.trace.line(queue.nowMs, who, what),
  }
  const keys = Array.from({ length: settings.keys }, (_, i) => `key${i}`)
  const clients: (Client | LeaseClient)[] = []
  for (let i = 0; i < settings.clients; i++) {
    const name = `c${i}`
    clients.push(new Client(world, { name, keys, dice: new Dice(settings.seed, `client ${i}`) }))
  }
  for (let i = 0; i < settings.leaseClients; i++) {
    const dice = new Dice(settings.seed, `lease client ${i}`)
    clients.push(new LeaseClient({ ...world, promises }, { name: `l${i}`, keys, dice }, i + 1))
  }
  for (const client of clients) client.start()
  return clients
}

function runUntil(cluster: Cluster, untilMs: number, isDone: () => boolean = () => false): boolean {
  for (let events = 0; ; events++) {
    if (isDone()) return true
    if (!cluster.queue.step(untilMs)) return false
    requireProperty(events < eventsMax, 'progress', () => 'too many events for the time that passed')
  }
}

function waitFor(cluster: Cluster, what: string, isDone: () => boolean): void {
  const done = runUntil(cluster, cluster.queue.nowMs + recoveryMsMax, isDone)
  requireProperty(done, 'liveness', () => `not within ${recoveryMsMax} ms of calm: ${what}`)
  cluster.note(`--- ${what}`)
}

const hasLeader = (cluster: Cluster): boolean =>
  cluster.activeMembers().some((member) => {
    const status = member.replica?.raftStatus()
    return status?.role === 'leader' && cluster.confState.voters.includes(member.id)
  })

/** A write and a linearizable read go through on this very member. */
function mustServe(cluster: Cluster, member: MemberProcess): void {
  let wrote = false
  let read = false
  const write = (attempt: number): void => {
    const tag = `probe.${member.name}.${attempt}`
    const request = putRequest(tag, 'probe', tag)
    const floor = cluster.answers.floor()
    member.event((replica) =>
      replica.propose('put', request, (error, outcome) => {
        if (outcome?.ok) {
          cluster.answers.written(tag, request, outcome, floor)
          wrote = true
        } else cluster.queue.after(1, () => (error ? write(attempt + 1) : undefined))
      }),
    )
  }
  const ask = (): void =>
    member.event((replica) =>
      replica.readBarrier((error, index) => {
        if (error) cluster.queue.after(1, ask)
        else
          member.whenApplied(index, () => {
            read = true
          })
      }),
    )
  write(1)
  ask()
  waitFor(cluster, `${member.name} serves, or is removed`, () => (wrote && read) || member.removed)
}

/** The readable past is the same everywhere, too. What is below the compaction revision may be gone already. */
function checkHistories(cluster: Cluster): void {
  for (const member of cluster.activeMembers()) {
    requireProperty(
      readable(cluster, member.state.tables) === readable(cluster, cluster.reference.tables),
      'history',
      () => {
        return `${member.name} remembers another past`
      },
    )
  }
}

function readable(cluster: Cluster, tables: MemberProcess['state']['tables']): string {
  const compacted = cluster.reference.compactRevision
  const rows: string[] = []
  for (const [key, value] of tables.scan('history', { start: emptyBytes, end: null })) {
    const main = Number(Buffer.from(key).readBigUInt64BE(0))
    if (main > compacted) rows.push(`${Buffer.from(key).toString('hex')}=${Buffer.from(value).toString('hex')}`)
  }
  return rows.join('\n')
}

const describe = (settings: Settings): string =>
  JSON.stringify({ ...settings, info: undefined, faults: [...settings.faults] })
