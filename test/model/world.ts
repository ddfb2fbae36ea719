import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EtcdErrorReason } from '../../src/errors.ts'
import { makeSigningKey } from '../../src/tokens/key-file.ts'
import { TokenIssueRequest, TokenIssueResponse } from '../../src/wire/gen/leasehold.ts'
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
import { AuthModel } from './auth-model.ts'
import { deedOfChange, describeChange, encodeChange } from './change-request.ts'
import { Connections, type Result } from './connections.ts'
import { certificateNames, type KnownToken } from './generator.ts'
import { describeRange } from './keys.ts'
import { changeOf, type Change as DataChange } from './live-watch.ts'
import { encode, type Request } from './request.ts'
import { type Change, type Scope, scopeCovers, type Token, type Who } from './rules.ts'

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
  #uncertainChanges = 0

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
    const keyFile = join(dir, 'token.key')
    await makeSigningKey(keyFile, 'EdDSA')
    const ofOurs = program === 'etcd' ? [] : [`--token-signing-key-file=${keyFile}`]
    const cluster = await TestCluster.create({
      ...{ size, program, certificates: pki.certificates() },
      flags: ['--bcrypt-cost=4', ...ofOurs, ...flags],
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
  async change(first: TestMember, who: Who, change: Change): Promise<number> {
    const { model } = this
    const denial = model.judge(who, deedOfChange(change, who.token))
    const made = denial ?? model.change(change, who)
    const message = encodeChange(change, (token) => this.tokens.find(({ number }) => number === token)!.id!)
    const { result, repeated } = await this.connections.insist(this.from(first), async (member) => {
      const result = await this.ask(member, who, message)
      if (result.kind !== 'uncertain' || typeof made === 'string') return result
      this.#uncertainChanges++
      // It may have been made all the same. What is no revision can be asked for again.
      const now = await this.connections.authStatus(this.present[0]!).catch(() => null)
      const isMade = now !== null && Number(now.authRevision) === made.revision && now.enabled === made.enabled
      const isSeen = made.revision !== model.revision || made.enabled !== model.enabled
      return isMade && isSeen ? { kind: 'done', message: new Uint8Array(0) } : result
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
    const { authRevision } = await this.connections.authStatusOfAny(() => this.present)
    this.model = made.at(Number(authRevision))
    return this.revision()
  }

  /**
   * Whether a change has been made that was given up before, and was asked for again since: a member that was paused may pass
   * on what it was told long ago. The model knows nothing of that, so whatever it says then proves nothing.
   */
  async hasLateChange(): Promise<boolean> {
    if (this.#uncertainChanges === 0) return false
    const { authRevision, enabled } = await this.connections.authStatusOfAny(() => this.present)
    return Number(authRevision) > this.model.revision || enabled !== this.model.enabled
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
    const token = { user: this.model.users.get(user)!.id, scope: null, certificate: null, ancestors: [] }
    this.#addToken(AuthenticateResponse.decode(result.message).token, null, token)
  }

  #addToken(text: string, id: string | null, token: Token): number {
    const number = this.tokens.length + 1
    this.#tokenTexts.set(number, text)
    this.tokens.push({ number, id, certificate: token.certificate })
    this.model = this.model.withToken(number, token)
    return number
  }

  /**
   * Asks for a signed token.
   *
   * @param asked `user` null: for the caller itself. `scope` null: as wide as what it shows.
   * @returns what came of it, in words.
   * @throws Mismatch if it is not given or refused as the model says.
   */
  async issue(
    first: TestMember,
    who: Who,
    asked: { readonly user: string | null; readonly scope: Scope | null; readonly isBound: boolean },
  ): Promise<string> {
    const wanted = this.#tokenFor(who, asked)
    const scope = (asked.scope ?? []).map(({ verbs, range }) => ({
      verbs: [...verbs],
      ...{ key: bytes(range?.key ?? ''), range_end: bytes(range?.end ?? '') },
    }))
    const request = { user: asked.user ?? '', scope, ttl_seconds: 0n, bind_to_certificate: asked.isBound }
    const message = TokenIssueRequest.encode({ ...request, certificate_sha256: '' }).finish()
    const { result } = await this.connections.insist(this.from(first), (member) =>
      this.ask(member, who, ['/leasehold.v1.Tokens/Issue', message]),
    )
    const came = result.kind === 'done' ? 'done' : result.reason
    const text = `a token for ${asked.user ?? 'itself'} with scope ${describeScope(asked.scope)} by ${whoText(who)}`
    if (came !== (typeof wanted === 'string' ? wanted : 'done')) {
      throw new Mismatch(`${text}: ${came} instead of ${typeof wanted === 'string' ? wanted : 'done'}`)
    }
    if (result.kind !== 'done' || typeof wanted === 'string') return `${text}: ${came}`
    const { token, id } = TokenIssueResponse.decode(result.message)
    return `${text}: token ${this.#addToken(token, id, wanted)}`
  }

  #tokenFor(
    who: Who,
    { user, scope, isBound }: { readonly user: string | null; readonly scope: Scope | null; readonly isBound: boolean },
  ): Token | EtcdErrorReason {
    const { model } = this
    if (!model.enabled) return 'authNotEnabled'
    const caller = model.identify(who)
    if (typeof caller === 'string') return caller
    const isOwn = user === null || user === model.nameOf(caller.id)
    if (!isOwn && model.judgeCaller(caller, { kind: 'root' }) !== null) return 'permissionDenied'
    const holder = isOwn ? caller.id : model.users.get(user)?.id
    if (holder === undefined) return 'userNotFound'
    if (isOwn && scope !== null && caller.scope !== null && !scopeCovers(caller.scope, scope)) return 'permissionDenied'
    const parent = typeof who.token === 'number' ? this.tokens.find(({ number }) => number === who.token)! : null
    const isSigned = parent !== null && parent.id !== null
    const bound = isOwn ? (parent?.certificate ?? null) : null
    return {
      user: holder,
      scope: isOwn ? (scope ?? caller.scope) : scope,
      certificate: isBound ? who.certificate : bound,
      ancestors: isSigned ? [parent.number, ...model.tokens.get(parent.number)!.ancestors] : [],
    }
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

export const describeScope = (scope: Scope | null): string =>
  scope === null
    ? 'whole'
    : scope.map(({ verbs, range }) => `${verbs}${range === null ? '' : ` ${describeRange(range)}`}`).join('; ')
