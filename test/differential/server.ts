import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PutRequest } from '../../src/wire/gen/rpc.ts'
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

/** One fresh member on loopback, without TLS. */
export class Server implements AsyncDisposable {
  readonly program: Program
  readonly client: RpcClient
  readonly #member: TestMember
  readonly #dir: string

  private constructor(program: Program, dir: string, member: TestMember, client: RpcClient) {
    this.program = program
    this.#dir = dir
    this.#member = member
    this.client = client
  }

  static async start(program: Program): Promise<Server> {
    const dir = mkdtempSync(join(scratch, `leasehold-differential-`))
    const [clientPort, peerPort] = (await freePorts(2)) as [number, number]
    const [clientUrl, peerUrl] = [`http://127.0.0.1:${clientPort}`, `http://127.0.0.1:${peerPort}`]
    const name = 'm1'
    const member = new TestMember({
      ...{ name, program, dataDir: dir, clientUrl, peerUrl },
      flags: [
        `--name=${name}`,
        `--data-dir=${join(dir, 'data')}`,
        `--listen-client-urls=${clientUrl}`,
        `--advertise-client-urls=${clientUrl}`,
        `--listen-peer-urls=${peerUrl}`,
        `--initial-advertise-peer-urls=${peerUrl}`,
        `--initial-cluster=${name}=${peerUrl}`,
      ],
    })
    member.start()
    const server = new Server(program, dir, member, new RpcClient(clientPort))
    try {
      await waitFor(`${program} serves`, () => server.#serves())
    } catch (error) {
      await server[Symbol.asyncDispose]()
      throw error
    }
    return server
  }

  get isRunning(): boolean {
    return this.#member.isRunning
  }

  logTail(): string {
    return this.#member.logTail(30)
  }

  /** A write that is refused only once the store has been asked: leaves no trace. */
  async #serves(): Promise<boolean> {
    if (!this.isRunning) throw new Error(`${this.program} has ended:\n${this.logTail()}`)
    const outcome = await this.client.unary(pathOf('Put'), refusedPut)
    return 'error' in outcome && outcome.error.message === 'etcdserver: key not found'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]()
    await this.#member.kill()
    rmSync(this.#dir, { recursive: true, force: true })
  }
}
