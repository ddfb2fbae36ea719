/** A process that logs users in, all at once, each over one of a few connections. */
import { AuthenticateRequest } from '../../src/wire/gen/rpc.ts'
import type { Identity } from '../support/certificates.ts'
import { GrpcConnection } from '../support/grpc-connection.ts'

export interface BurstPlan {
  readonly url: string
  readonly identity: Identity
  readonly connections: number
  readonly logins: number
  /** Name and password alike. */
  readonly users: readonly string[]
}
/** How long each took, failed ones left out. */
export interface BurstResult {
  readonly ms: readonly number[]
  /** Of the failures, each once. */
  readonly problems: readonly string[]
}

process.once('message', async ({ url, identity, connections, logins, users }: BurstPlan) => {
  const all = Array.from({ length: connections }, () => new GrpcConnection(url, identity))
  const logIn = (connection: GrpcConnection, user: string): Promise<Uint8Array> =>
    connection.unary(
      '/etcdserverpb.Auth/Authenticate',
      AuthenticateRequest.encode({ name: user, password: user }).finish(),
    )
  // Logging in shows that the connections are there.
  await Promise.all(all.map((connection, n) => logIn(connection, users[n % users.length]!)))
  process.send!('ready')
  await new Promise((resolve) => process.once('message', resolve))
  const ms: number[] = []
  const problems = new Set<string>()
  const one = async (n: number): Promise<void> => {
    const began = performance.now()
    try {
      await logIn(all[n % connections]!, users[n % users.length]!)
      ms.push(performance.now() - began)
    } catch (error) {
      problems.add((error as Error).message)
    }
  }
  await Promise.all(Array.from({ length: logins }, (_, n) => one(n)))
  for (const connection of all) connection[Symbol.dispose]()
  process.send!({ ms, problems: [...problems] } satisfies BurstResult)
  process.disconnect?.()
})
