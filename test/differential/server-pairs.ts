import { Server } from './server.ts'

export interface ServerPair {
  readonly etcd: Server
  readonly leasehold: Server
}

/**
 * Fresh pairs of servers, of which the next starts while one is in use: one etcd, and a leasehold cluster of `members`.
 */
export class ServerPairs implements AsyncDisposable {
  readonly #members: number
  #next: Promise<ServerPair>
  #lent: ServerPair | null = null

  constructor(members = 1) {
    this.#members = members
    this.#next = startAhead(members)
  }

  /** Lends a pair to `use`, and disposes of it. */
  async with<T>(use: (pair: ServerPair) => Promise<T>): Promise<T> {
    const pair = await this.#next
    this.#next = startAhead(this.#members)
    this.#lent = pair
    try {
      return await use(pair)
    } finally {
      this.#lent = null
      await stop(pair)
    }
  }

  /** One that is lent is taken away. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#lent !== null) await stop(this.#lent)
    await stop(await this.#next)
  }
}

/** A failure is thrown to whoever comes for the pair. */
function startAhead(members: number): Promise<ServerPair> {
  const pair = start(members)
  pair.catch(() => {})
  return pair
}

async function start(members: number): Promise<ServerPair> {
  const started = await Promise.allSettled([Server.start('etcd'), Server.start('leasehold', members)])
  const [etcd, leasehold] = started
  if (etcd.status === 'fulfilled' && leasehold.status === 'fulfilled') {
    return { etcd: etcd.value, leasehold: leasehold.value }
  }
  for (const result of started) if (result.status === 'fulfilled') await result.value[Symbol.asyncDispose]()
  throw started.find((result) => result.status === 'rejected')!.reason
}

async function stop({ etcd, leasehold }: ServerPair): Promise<void> {
  await Promise.all([etcd[Symbol.asyncDispose](), leasehold[Symbol.asyncDispose]()])
}
