import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AuthEnableResponse,
  AuthenticateRequest,
  AuthenticateResponse,
  PutRequest,
  RangeRequest,
  RangeResponse,
  WatchRequest,
  WatchResponse,
} from '../../src/wire/gen/rpc.ts'
import { TestCluster } from '../support/cluster.ts'
import { bytes, putRequest, rangeRequest } from '../support/commands.ts'
import type { TestMember } from '../support/member.ts'
import { TestPki } from '../support/test-pki.ts'
import { AuthModel, type Change, type Who } from './auth-model.ts'
import { describeChange, encodeChange } from './change-request.ts'
import { Connections, type Result } from './connections.ts'
import { certificateNames, type KnownToken } from './generator.ts'
import { changeOf, type Change as DataChange } from './live-watch.ts'
import { encode, type Request } from './request.ts'

/** What is not as the model says. */
export class Mismatch extends Error {
  override readonly name = 'Mismatch'
}

const forged = 'AAAABBBBCCCCDDDD.7'
const catchUpMsMax = 20_000

export interface WorldOptions {
  readonly size: number
  readonly flags?: readonly string[]
  readonly program?: 'leasehold' | 'etcd'
}

/** A cluster, a client certificate for each name, and the rules as they should be. */
export class World implements AsyncDisposable {
  readonly cluster: TestCluster
  readonly connections: Connections
  model = new AuthModel()
  readonly tokens: KnownToken[] = []
  readonly #tokenTexts = new Map<number, string>()
  /** Killed or paused for the time being. */
  readonly away = new Set<TestMember>()
  readonly #dir: string
  readonly #history: DataChange[] = []

  private constructor(dir: string, cluster: TestCluster, connections: Connections) {
    this.#dir = dir
    this.cluster = cluster
    this.connections = connections
  }

  static async start({ size, flags = [], program = 'leasehold' }: WorldOptions): Promise<World> {
    const dir = mkdtempSync(join(tmpdir(), 'leasehold-model-'))
    const pki = new TestPki(dir)
    const identities = certificateNames.map(
      (name) => [name, pki.issue({ of: 'clients', name, profile: 'client' })] as const,
    )
    const cluster = await TestCluster.create({
      ...{ size, program, certificates: pki.certificates() },
      flags: ['--bcrypt-cost=4', ...flags],
    })
    const world = new World(dir, cluster, new Connections(new Map(identities)))
    try {
      for (const member of cluster.members) member.start()
      await world.connections.untilServing(cluster.members)
      return world
    } catch (error) {
      await world[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Members that can answer. */
  get present(): readonly TestMember[] {
    return this.cluster.members.filter((member) => !this.away.has(member))
  }

  ask(member: TestMember, who: Who, message: readonly [path: string, message: Uint8Array]): Promise<Result> {
    const { certificate, token } = who
    return this.connections.call(member, certificate, token === null ? null : this.tokenText(token), message)
  }

  tokenText = (token: number | 'forged'): string => (token === 'forged' ? forged : this.#tokenTexts.get(token)!)

  request = (member: TestMember, who: Who, request: Request): Promise<Result> => this.ask(member, who, encode(request))

  /** Members in an order that begins with `first`, for as long as it can answer. */
  from(first: TestMember): () => readonly TestMember[] {
    return () => (this.away.has(first) ? this.present : [first, ...this.present.filter((each) => each !== first)])
  }

  /**
   * Asks for a change until it is known what came of it, and takes it over into the model.
   *
   * @returns a revision of the data at which it was in force.
   * @throws Mismatch if it was not refused as the model says.
   */
  async change(first: TestMember, who: Who, change: Change, onBegin: () => void = () => {}): Promise<number> {
    const { model } = this
    const denial = model.judge(who, { kind: 'root' })
    const made = denial ?? model.change(change)
    onBegin()
    const { result, repeated } = await this.connections.insist(this.from(first), async (member) => {
      const result = await this.ask(member, who, encodeChange(change))
      if (result.kind !== 'uncertain' || typeof made === 'string') return result
      // It may have been made all the same.
      const now = await this.connections.authStatus(this.present[0]!).catch(() => null)
      const isMade = now !== null && Number(now.authRevision) === made.revision && now.enabled === made.enabled
      return isMade && made !== model ? { kind: 'done', message: new Uint8Array(0) } : result
    })
    const came = result.kind === 'done' ? 'done' : result.reason
    const wanted = typeof made === 'string' ? made : 'done'
    if (came !== wanted && !(repeated && wanted === 'done')) {
      const text = result.kind === 'done' ? '' : ` (${result.text})`
      throw new Mismatch(`${describeChange(change)} by ${whoText(who)}: ${came}${text} instead of ${wanted}`)
    }
    if (typeof made === 'string') return this.revision()
    this.model = made
    const header = result.kind === 'done' ? AuthEnableResponse.decode(result.message).header : undefined
    if (header !== undefined && !repeated) return Number(header.revision)
    // Of one that was asked for more than once it is not known when it was made, nor how often.
    const { authRevision } = await this.connections.authStatus(this.present[0]!)
    this.model = made.at(Number(authRevision))
    return this.revision()
  }

  /** @throws Mismatch unless it succeeds exactly if the password is right. */
  async logIn(first: TestMember, user: string, password: string): Promise<void> {
    const message = AuthenticateRequest.encode({ name: user, password }).finish()
    const { result } = await this.connections.insist(this.from(first), (member) =>
      this.connections.call(member, 'nobody', null, ['/etcdserverpb.Auth/Authenticate', message]),
    )
    const wanted = !this.model.enabled ? 'authNotEnabled' : this.model.knows(user, password) ? 'done' : 'authFailed'
    const came = result.kind === 'done' ? 'done' : result.reason
    if (came !== wanted) throw new Mismatch(`the login of ${user}: ${came} instead of ${wanted}`)
    if (result.kind !== 'done') return
    const number = this.tokens.length + 1
    this.#tokenTexts.set(number, AuthenticateResponse.decode(result.message).token)
    this.tokens.push({ number, user })
    this.model = this.model.withToken(number, user)
  }

  /** Of the data, at least as new as everything that was acknowledged. */
  async revision(): Promise<number> {
    const message = RangeRequest.encode(rangeRequest({ key: bytes('none') })).finish()
    const { result } = await this.connections.insist(
      () => this.present,
      (member) => this.asRoot(member, ['/etcdserverpb.KV/Range', message]),
    )
    if (result.kind === 'refused') throw new Mismatch(`root may not read: ${result.text}`)
    return Number(RangeResponse.decode(result.message).header!.revision)
  }

  asRoot = (member: TestMember, message: readonly [path: string, message: Uint8Array]): Promise<Result> =>
    this.connections.call(member, 'root', null, message)

  async putAsRoot(member: TestMember, key: string, value: string): Promise<Result> {
    const message = PutRequest.encode(putRequest({ key: bytes(key), value: bytes(value) })).finish()
    return this.asRoot(member, ['/etcdserverpb.KV/Put', message])
  }

  /** All changes of data up to a revision that has been reached, in their order. */
  async history(through: number): Promise<readonly DataChange[]> {
    while ((this.#history.at(-1)?.revision ?? 1) < through) {
      const next = (this.#history.at(-1)?.revision ?? 1) + 1
      const [member] = this.present
      const stream = this.connections.stream(member!, 'root', null, '/etcdserverpb.Watch/Watch')
      const value = {
        ...{ key: bytes('\0'), range_end: bytes('\0'), start_revision: BigInt(next), watch_id: 0n },
        ...{ progress_notify: false, filters: [], prev_kv: false, fragment: false },
      }
      stream.send(WatchRequest.encode({ request_union: { $case: 'create_request', value } }).finish())
      let read = 0
      const isDone = (): boolean => {
        for (; read < stream.received.length; read++) {
          this.#history.push(...WatchResponse.decode(stream.received[read]!).events.map(changeOf))
        }
        return stream.ended !== null || (this.#history.at(-1)?.revision ?? 1) >= through
      }
      if (!(await stream.until(isDone, catchUpMsMax))) throw new Error(`no history up to revision ${through}`)
      stream.cancel()
    }
    return this.#history
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connections[Symbol.dispose]()
    await this.cluster[Symbol.asyncDispose]()
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

export const whoText = ({ certificate, token }: Who): string =>
  `${certificate}${token === null ? '' : ` with token ${token}`}`
