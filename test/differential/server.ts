import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assert } from '../../src/base/assert.ts'
import { PutRequest, StatusResponse } from '../../src/wire/gen/rpc.ts'
import { TestMember } from '../support/member.ts'
import { freePorts } from '../support/ports.ts'
import { waitFor } from '../support/wait-for.ts'
import { RpcClient } from './rpc-client.ts'
import { pathOf } from './step.ts'

export type Program = 'etcd' | 'leasehold'

/** Memory if there is such a folder: the comparison is about answers, and a disk makes a write wait. */
const scratch = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

const none = new Uint8Array(0)
const refusedPut = PutRequest.encode({
  ...{ key: Uint8Array.of(0), value: none, lease: 0n },
  ...{ prev_kv: false, ignore_value: true, ignore_lease: false },
}).finish()

const emptyStatusRequest = new Uint8Array(0)

/** A fresh cluster on loopback, without TLS; requests go to one member of it, which follows if there are several. */
export class Server implements AsyncDisposable {
  readonly program: Program
  readonly #members: readonly TestMember[]
  readonly #dir: string
  #client: RpcClient | null = null

  private constructor(program: Program, dir: string, members: readonly TestMember[]) {
    this.program = program
    this.#dir = dir
    this.#members = members
  }

  static async start(program: Program, size = 1): Promise<Server> {
    const dir = mkdtempSync(join(scratch, 'leasehold-differential-'))
    const ports = await freePorts(2 * size)
    const planned = Array.from({ length: size }, (_, index) => ({
      name: `m${index + 1}`,
      dataDir: join(dir, `m${index + 1}`),
      clientUrl: `http://127.0.0.1:${ports[2 * index]}`,
      peerUrl: `http://127.0.0.1:${ports[2 * index + 1]}`,
    }))
    const initialCluster = planned.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',')
    const members = planned.map(
      (plan) =>
        new TestMember({
          ...plan,
          program,
          flags: [
            `--name=${plan.name}`,
            `--data-dir=${plan.dataDir}`,
            `--listen-client-urls=${plan.clientUrl}`,
            `--advertise-client-urls=${plan.clientUrl}`,
            `--listen-peer-urls=${plan.peerUrl}`,
            `--initial-advertise-peer-urls=${plan.peerUrl}`,
            `--initial-cluster=${initialCluster}`,
          ],
        }),
    )
    const server = new Server(program, dir, members)
    try {
      for (const member of members) member.start()
      server.#client = await waitFor(`${program} serves`, () => server.#connect())
    } catch (error) {
      await server[Symbol.asyncDispose]()
      throw error
    }
    return server
  }

  get client(): RpcClient {
    assert(this.#client !== null, 'it has started')
    return this.#client
  }

  get isRunning(): boolean {
    return this.#members.every((member) => member.isRunning)
  }

  logTail(): string {
    return this.#members.map((member) => member.logTail(30)).join('\n')
  }

  /** A client of the member to ask, once that serves. */
  async #connect(): Promise<RpcClient | null> {
    if (!this.isRunning) throw new Error(`${this.program} has ended:\n${this.logTail()}`)
    for (const member of this.#members) {
      const client = new RpcClient(Number(new URL(member.clientUrl).port))
      if ((this.#members.length === 1 || (await follows(client))) && (await serves(client))) return client
      client[Symbol.dispose]()
    }
    return null
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client?.[Symbol.dispose]()
    await Promise.all(this.#members.map((member) => member.kill()))
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

/** Whether a write is refused only once the store has been asked: it leaves no trace. */
async function serves(client: RpcClient): Promise<boolean> {
  const outcome = await client.unary(pathOf('Put'), refusedPut)
  return 'error' in outcome && outcome.error.message === 'etcdserver: key not found'
}

async function follows(client: RpcClient): Promise<boolean> {
  const outcome = await client.unary('/etcdserverpb.Maintenance/Status', emptyStatusRequest)
  if ('error' in outcome) return false
  const { leader, header } = StatusResponse.decode(outcome.ok)
  return leader !== 0n && leader !== header!.member_id
}
