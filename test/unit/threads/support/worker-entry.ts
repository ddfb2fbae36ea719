/** A serving thread whose "clients" are the test: commands come and answers go by a broadcast channel. */
import { readFileSync } from 'node:fs'
import { BroadcastChannel } from 'node:worker_threads'
import { EtcdError } from '../../../../src/errors.ts'
import type { ReadView, Table } from '../../../../src/mvcc/view.ts'
import type { Member, WriteKind } from '../../../../src/service/member.ts'
import { runServingThread, type ThreadSurroundings } from '../../../../src/threads/run-serving-thread.ts'
import { ServingCounts } from '../../../../src/threads/serving-counts.ts'

export interface EntryOptions {
  readonly channel: string
  readonly refuse?: string
}

export interface ThreadCommand {
  readonly id: number
  readonly do:
    | ('propose' | 'many' | 'barrier' | 'renew' | 'times' | 'status' | 'known')
    | ('listen' | 'crash' | 'read' | 'count' | 'metrics')
  readonly kind?: WriteKind
  readonly request?: Uint8Array
  readonly lease?: bigint
  readonly count?: number
}

/** A state that is one file of text. */
const fileReader = (path: string) => {
  let text = ''
  const view = {
    get: (table: Table) => (table === 'meta' ? undefined : Buffer.from(text)),
    scan: () => [],
    count: () => 0,
  } satisfies ReadView
  return {
    read: <T>(work: (view: ReadView) => T): T => work(view),
    hold: () => ({ view, close: () => {} }),
    refresh: () => {
      text = readFileSync(path, 'utf8')
    },
    close: async () => {},
  }
}

await runServingThread<EntryOptions>({
  openReader: fileReader,
  serve: async (member, options, surroundings) => {
    if (options.refuse !== undefined) throw new Error(options.refuse)
    const channel = new BroadcastChannel(options.channel)
    channel.onmessage = async (event) => {
      const command = event.data as ThreadCommand
      if (!('do' in command)) return
      try {
        channel.postMessage({ id: command.id, answer: await run(member, command, channel, surroundings) })
      } catch (error) {
        channel.postMessage({ id: command.id, refusal: error instanceof EtcdError ? error.reason : String(error) })
      }
    }
    channel.postMessage({ hello: true })
    return { close: async () => channel.close() }
  },
})

async function run(
  member: Member,
  command: ThreadCommand,
  channel: BroadcastChannel,
  { counts, metrics }: ThreadSurroundings,
): Promise<unknown> {
  switch (command.do) {
    case 'propose':
      return member.propose(command.kind!, command.request!)
    case 'many': {
      const started = performance.now()
      const requests = Array.from({ length: command.count! }, () => member.propose('put', command.request!))
      await Promise.all(requests)
      return performance.now() - started
    }
    case 'barrier':
      await Promise.all([member.readBarrier(), member.readBarrier()])
      return member.revision()
    case 'renew':
      return member.renewLease(command.lease as never)
    case 'times':
      return member.leaseTimes(command.lease as never)
    case 'status':
      return member.status()
    case 'known':
      return { leader: member.leader(), term: member.term(), revision: member.revision(), info: member.info }
    case 'read':
      return member.read((view) => Buffer.from(view.get('current', new Uint8Array(1))!).toString())
    case 'listen':
      member.onCommitted((batch) => channel.postMessage({ batch }))
      return 'listening'
    case 'count': {
      // A call and a watch, neither of which ends.
      const { calls, watches } = new ServingCounts(counts)
      calls.began(0)
      watches.watchers++
      return 'counted'
    }
    case 'metrics':
      return metrics()
    case 'crash':
      setImmediate(() => {
        throw new Error('crashed by the test')
      })
      return 'crashing'
  }
}
