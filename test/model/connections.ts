import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { credentials } from '@grpc/grpc-js'
import { Code, type EtcdErrorReason, etcdErrors } from '../../src/errors.ts'
import { AuthStatusResponse, StatusResponse } from '../../src/wire/gen/rpc.ts'
import { type Outcome, RpcClient, type RpcStream, type Status } from '../differential/rpc-client.ts'
import type { Identity } from '../support/certificates.ts'
import type { TestMember } from '../support/member.ts'
import { waitFor } from '../support/wait-for.ts'

/** How a call ended: carried out, refused for a reason, or nobody knows. */
export type Result =
  | { readonly kind: 'done'; readonly message: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: EtcdErrorReason | 'unknown'; readonly text: string }
  | { readonly kind: 'uncertain'; readonly text: string }

const reasons = new Map(Object.entries(etcdErrors).map(([reason, { message }]) => [message as string, reason]))

/** Of whom no verdict came: there was no leader, or no member, or no time. */
const uncertainCodes: ReadonlySet<number> = new Set([Code.Canceled, Code.DeadlineExceeded, Code.Unavailable])

export function resultOf(outcome: Outcome): Result {
  if ('ok' in outcome) return { kind: 'done', message: outcome.ok }
  const { code, message } = outcome.error
  const text = `${code} ${message}`
  if (uncertainCodes.has(code)) return { kind: 'uncertain', text }
  const reason = reasonOf(outcome.error)
  if (reason === 'tooManyRequests') return { kind: 'uncertain', text }
  return { kind: 'refused', reason, text }
}

/** Code and text must both be those of the table. */
function reasonOf({ code, message }: Status): EtcdErrorReason | 'unknown' {
  const reason = reasons.get(message) as EtcdErrorReason | undefined
  return reason !== undefined && etcdErrors[reason].code === code ? reason : 'unknown'
}

const callMsMax = 5000
const nothing = new Uint8Array(0)

/** Clients of all members for each of several certificates, made when they are first needed. */
export class Connections implements Disposable {
  readonly #identities: ReadonlyMap<string, Identity>
  readonly #clients = new Map<string, RpcClient>()

  /** @param identities by the common names of the certificates. */
  constructor(identities: ReadonlyMap<string, Identity>) {
    this.#identities = identities
  }

  async call(
    member: TestMember,
    certificate: string,
    token: string | null,
    [path, message]: readonly [path: string, message: Uint8Array],
  ): Promise<Result> {
    const metadata = token === null ? {} : { token }
    return resultOf(await this.#client(member, certificate).unary(path, message, metadata, callMsMax))
  }

  stream(member: TestMember, certificate: string, token: string | null, path: string): RpcStream {
    return this.#client(member, certificate).stream(path, token === null ? {} : { token })
  }

  /** As of no earlier than now: the member has caught up when it answers. Everybody may ask. */
  async authStatus(member: TestMember): Promise<AuthStatusResponse> {
    const result = await this.#askForAuthStatus(member)
    if (result.kind !== 'done') throw new Error(`${member.name}: ${result.text}`)
    return AuthStatusResponse.decode(result.message)
  }

  /** The same of the first that can say. */
  async authStatusOfAny(members: () => readonly TestMember[]): Promise<AuthStatusResponse> {
    const { result } = await this.insist(members, (member) => this.#askForAuthStatus(member))
    if (result.kind === 'refused') throw new Error(result.text)
    return AuthStatusResponse.decode(result.message)
  }

  #askForAuthStatus(member: TestMember): Promise<Result> {
    return this.call(member, 'root', null, ['/etcdserverpb.Auth/AuthStatus', nothing])
  }

  async leads(member: TestMember): Promise<boolean> {
    const result = await this.call(member, 'root', null, ['/etcdserverpb.Maintenance/Status', nothing])
    if (result.kind !== 'done') return false
    const { leader, header } = StatusResponse.decode(result.message)
    return leader === header!.member_id
  }

  async untilServing(members: readonly TestMember[]): Promise<void> {
    await Promise.all(
      members.map((member) =>
        waitFor(
          `${member.name} serves`,
          async () => {
            if (!member.isRunning) throw new Error(`${member.name} has ended:\n${member.logTail()}`)
            // etcd 3.4 does not know the method.
            return (await this.#askForAuthStatus(member)).kind !== 'uncertain'
          },
          40_000,
        ),
      ),
    )
  }

  /** Asks one of `members` after the other until one knows what came of it. @returns also whether one did not. */
  async insist(
    members: () => readonly TestMember[],
    ask: (member: TestMember) => Promise<Result>,
  ): Promise<{ readonly result: Exclude<Result, { kind: 'uncertain' }>; readonly repeated: boolean }> {
    const deadline = performance.now() + 40_000
    for (let attempt = 0; ; attempt++) {
      const candidates = members()
      const result = await ask(candidates[attempt % candidates.length]!)
      if (result.kind !== 'uncertain') return { result, repeated: attempt > 0 }
      if (performance.now() > deadline) throw new Error(`nobody knows: ${result.text}`)
      await sleep(50)
    }
  }

  #client(member: TestMember, certificate: string): RpcClient {
    const name = `${member.name} ${certificate}`
    const known = this.#clients.get(name)
    if (known !== undefined) return known
    const { caFile, certFile, keyFile } = this.#identities.get(certificate)!
    const client = new RpcClient(
      Number(new URL(member.clientUrl).port),
      credentials.createSsl(readFileSync(caFile), readFileSync(keyFile), readFileSync(certFile)),
      // The certificates have that name beside the address, which Node does not take for one.
      {
        'grpc.ssl_target_name_override': 'localhost',
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 300,
      },
    )
    this.#clients.set(name, client)
    return client
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients.values()) client[Symbol.dispose]()
  }
}
