/** Races between changes of the rules and everything else, on three members; and calls that a change must end. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { ServiceError } from '@grpc/grpc-js'
import { LeaderRequest } from '../../src/wire/gen/election.ts'
import { LockRequest } from '../../src/wire/gen/lock.ts'
import { LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest } from '../../src/wire/gen/rpc.ts'
import { AuthClient, refusalOf } from '../support/auth-client.ts'
import { TestCluster } from '../support/cluster.ts'
import { bytes } from '../support/commands.ts'
import { waitFor } from '../support/wait-for.ts'

const denied = 'etcdserver: permission denied'
const badToken = 'etcdserver: invalid auth token'

let cluster: TestCluster
/** Of each member, in their order: the test's certificate is the user `client`, who has the role root. */
let clients: readonly AuthClient[]

before(
  async () => {
    // The cheapest hashes: none of this is about them.
    cluster = await TestCluster.start({ size: 3, flags: ['--bcrypt-cost=4', '--serve-threads=2'] })
    clients = cluster.members.map((member) => AuthClient.of(cluster, member))
    const [first] = clients
    await first!.addUser('root', 'root')
    await first!.addUser('client', '')
    for (const user of ['root', 'client']) await first!.grantRole(user, 'root')
    await first!.enable()
  },
  { timeout: 60_000 },
)
after(async () => {
  for (const client of clients ?? []) client[Symbol.dispose]()
  await cluster?.[Symbol.asyncDispose]()
})

/** Runs `work` in several lanes until `during` is over; one that fails ends it all. */
async function beside<T>(work: (n: number) => Promise<unknown>, lanes: number, during: () => Promise<T>): Promise<T> {
  let isOver = false
  let count = 0
  const lane = async (): Promise<void> => {
    while (!isOver) await work(count++)
  }
  const running = Promise.all(Array.from({ length: lanes }, lane))
  try {
    const result = await Promise.race([during(), running.then(() => assert.fail('the lanes ended by themselves'))])
    isOver = true
    await running
    return result
  } finally {
    isOver = true
    await running.catch(() => {})
  }
}

/** All members have applied what was acknowledged before. */
const settled = (): Promise<unknown> => Promise.all(clients.map((client) => client.range('ready')))

describe('auth under races', { concurrency: false }, () => {
  test('race 1: a password that is changed during a storm of logins lets nobody in after that', {
    timeout: 60_000,
  }, async () => {
    const [root] = clients as [AuthClient]
    await root.addUserWithPrefix('storm', 'old')
    const early = new Set<string>()
    const late = new Set<string>()
    let isChanged = false
    await beside(
      async (n) => {
        const begunAfter = isChanged
        const client = clients[n % 3]!
        const token = await client.token('storm', 'old').catch((error: ServiceError) => {
          assert.match(error.details, /authentication failed|too many requests|revision of auth store is old/)
          return null
        })
        if (token !== null) (begunAfter ? late : early).add(token)
      },
      6,
      async () => {
        await waitFor('some are in', () => early.size > 20)
        await root.changePassword('storm', 'new')
        isChanged = true
        await waitFor('the new password is good', () => root.token('storm', 'new').then(() => true))
      },
    )
    assert.equal(late.size, 0)
    await settled()
    for (const token of early) {
      for (const client of clients) assert.equal(await refusalOf(client.with(token).range('storm/')), badToken)
    }
  })

  test('many guesses at once, over many connections and threads, are no more than one after the other', {
    timeout: 60_000,
  }, async () => {
    const [root] = clients as [AuthClient]
    await root.addUser('guessed', 'right')
    const connections = Array.from({ length: 12 }, () => AuthClient.of(cluster, cluster.members[0]!))
    try {
      const guess = (n: number) => refusalOf(connections[n % 12]!.token('guessed', `wrong ${n}`))
      const refusals = await Promise.all(Array.from({ length: 200 }, (_, n) => guess(n)))
      const looked = refusals.filter(
        (text) => text === 'etcdserver: authentication failed, invalid user ID or password',
      )
      const waits = refusals.filter((text) => text === 'etcdserver: too many requests')
      assert.equal(looked.length + waits.length, 200)
      // Ten are free, and those that have begun when the tenth fails; then one for each wait, of 100 ms and longer.
      assert.ok(looked.length >= 10 && looked.length <= 20, String(looked.length))
      // The right password is good again when the wait is over.
      await waitFor('the user gets in', () => connections[5]!.token('guessed', 'right').then(() => true))
    } finally {
      for (const connection of connections) connection[Symbol.dispose]()
    }
  })

  test('races 2 and 10: after a revocation is acknowledged nothing is read or written by the right that is gone', {
    timeout: 60_000,
  }, async () => {
    const [root] = clients as [AuthClient]
    await root.addUserWithPrefix('reader', 'pw')
    const users = await Promise.all(clients.map((client) => client.logIn('reader', 'pw')))
    for (let round = 0; round < 5; round++) {
      await settled()
      const writes: number[] = []
      const seen: number[] = []
      let reads = 0
      await beside(
        async (n) => {
          const user = users[n % 3]!
          if (n % 2 === 0) {
            const revision = await user.put('reader/own', String(n)).catch(() => null)
            if (revision !== null) writes.push(revision)
          } else {
            // Of the state of the member, however old that is.
            const answer = await user.range('reader/', 'reader0', n % 4 === 1).catch(() => null)
            if (answer === null) return
            reads++
            seen.push(...answer.kvs.map(({ mod_revision }) => Number(mod_revision)))
          }
        },
        6,
        async () => {
          await waitFor('reads and writes go on', () => reads > 5 && writes.length > 5)
          const revoked = await root.revokePrefix('reader', 'reader')
          // What is written now is not the reader's to see.
          for (let n = 0; n < 10; n++) await root.put('reader/secret', String(n))
          assert.deepEqual(
            seen.filter((revision) => revision > revoked),
            [],
          )
          for (const user of users) assert.equal(await refusalOf(user.range('reader/', 'reader0')), denied)
          assert.deepEqual(
            [...writes, ...seen].filter((revision) => revision > revoked),
            [],
          )
        },
      )
      await root.grantPrefix('reader', 'reader')
    }
  })

  test('race 5: a token is good on every member in the moment in which it is issued, on one that lags too', {
    timeout: 60_000,
  }, async () => {
    const [root] = clients as [AuthClient]
    await root.addUserWithPrefix('quick', 'pw')
    for (let n = 0; n < 30; n++) {
      const token = await clients[n % 3]!.token('quick', 'pw')
      for (const client of clients) await client.with(token).range('quick/', 'quick0', true)
    }
    const lagging = await cluster.follower()
    const at = cluster.members.indexOf(lagging)
    const other = clients[(at + 1) % 3]!
    lagging.signal('SIGSTOP')
    try {
      const token = await other.token('quick', 'pw')
      const answer = clients[at]!.with(token).range('quick/', 'quick0', true)
      lagging.signal('SIGCONT')
      await answer
    } finally {
      lagging.signal('SIGCONT')
    }
  })

  test('races 6 and 7: who has a right keeps it while others gain and lose theirs, and auth goes off and on', {
    timeout: 90_000,
  }, async () => {
    const [root] = clients as [AuthClient]
    await root.addUserWithPrefix('steady', 'pw')
    await root.addUserWithPrefix('other', 'pw')
    const users = await Promise.all(clients.map((client) => client.logIn('steady', 'pw')))
    await beside(
      async (n) => {
        const user = users[n % 3]!
        if (n % 2 === 0) await user.put('steady/k', String(n))
        else await user.range('steady/', 'steady0', n % 4 === 1)
      },
      6,
      async () => {
        for (let n = 0; n < 20; n++) {
          await root.revokeRole('other', 'other')
          await root.grantPrefix('other', `other${n % 3}`)
          await root.grantRole('other', 'other')
        }
      },
    )

    // Switching auth off voids every token, and no token is looked at while it is off.
    const stranger = clients[1]!.with('AAAAAAAAAAAAAAAA.1')
    let isOn = true
    await beside(
      async (n) => {
        const certainlyOn = isOn
        const refusal = await refusalOf(stranger.put('stranger', String(n)))
        if (certainlyOn && isOn && refusal === null) assert.fail('a forged token was good while auth was on')
        assert.ok(refusal === null || refusal === badToken, String(refusal))
      },
      4,
      async () => {
        for (let n = 0; n < 5; n++) {
          const before = await root.token('steady', 'pw')
          isOn = false
          await root.disable()
          await waitFor('anybody may', () => stranger.put('stranger').then(() => true))
          await root.enable()
          await settled()
          isOn = true
          for (const client of clients) assert.equal(await refusalOf(client.with(before).range('steady/')), badToken)
        }
      },
    )
    await settled()
    for (const client of clients) assert.equal(await refusalOf(client.with('x').put('stranger')), badToken)
  })

  test('who waits, observes or keeps a lease is sent away on every member when its right, or its user, goes', {
    timeout: 60_000,
  }, async () => {
    const [root] = clients as [AuthClient]
    for (const [loss, want] of [
      [(user: string) => root.revokePrefix(user, user), denied],
      [(user: string) => root.revokeRole(user, user), denied],
      [(user: string) => root.deleteUser(user), badToken],
      [(user: string) => root.changePassword(user, 'other'), badToken],
    ] as const) {
      const user = `live${want.length}${loss.toString().length}`
      await root.addUserWithPrefix(user, 'pw')
      const token = await root.token(user, 'pw')
      const name = bytes(`${user}/lock`)
      await root.call('/v3lockpb.Lock/Lock', LockRequest.encode({ name, lease: 0n }).finish())
      const ends: Promise<string | null>[] = []
      let observed = 0
      for (const client of clients) {
        const one = client.with(token)
        ends.push(refusalOf(one.call('/v3lockpb.Lock/Lock', LockRequest.encode({ name, lease: 0n }).finish())))
        const lease = LeaseGrantResponse.decode(
          await one.call('/etcdserverpb.Lease/LeaseGrant', LeaseGrantRequest.encode({ TTL: 60n, ID: 0n }).finish()),
        ).ID
        // A lease is its keys.
        await one.put(`${user}/leased-${lease}`, '', lease)
        const kept = one.raw.bidi('/etcdserverpb.Lease/LeaseKeepAlive', one.metadata)
        const election = LeaderRequest.encode({ name }).finish()
        const observer = one.raw.serverStream('/v3electionpb.Election/Observe', election, one.metadata)
        for (const stream of [kept, observer]) {
          stream.on('data', () => observed++)
          ends.push(new Promise((resolve) => stream.once('error', (error: ServiceError) => resolve(error.details))))
        }
        kept.write(Buffer.from(LeaseKeepAliveRequest.encode({ ID: lease }).finish()))
      }
      const queue = async (): Promise<number> => (await root.range(`${user}/lock/`, `${user}/lock0`)).kvs.length
      await waitFor('all wait, observe and keep', async () => observed === 6 && (await queue()) === 4)
      await loss(user)
      assert.deepEqual(await Promise.all(ends), Array(9).fill(want))
      await waitFor('the keys of those who waited are gone', async () => (await queue()) === 1)
    }
  })

  test('race 3: members that are killed in the midst of refusals and changes come back alike, and go on', {
    timeout: 90_000,
  }, async () => {
    const [root] = clients as [AuthClient]
    await root.addUserWithPrefix('crash', 'pw')
    const token = await root.token('crash', 'pw')
    const writers = clients.map((client) => client.with(token))
    const acknowledged = new Map<string, string>()
    await beside(
      async (n) => {
        const writer = writers[n % 3]!
        // Every other one is refused, here or where it is applied.
        if (n % 2 === 0) await writer.put('beyond', 'x').catch(() => {})
        else {
          const key = `crash/${n}`
          await writer.put(key, key).then(
            () => acknowledged.set(key, key),
            () => {},
          )
        }
      },
      6,
      async () => {
        const changes = (async () => {
          for (let n = 0; n < 40; n++) {
            await root.grantPrefix('crash', `more${n}`).catch(() => {})
            await root.revokeRole('crash', 'crash').catch(() => {})
            await root.grantRole('crash', 'crash').catch(() => {})
          }
        })()
        await waitFor('writes go on', () => acknowledged.size > 10)
        await Promise.all(cluster.members.map((member) => member.kill()))
        await changes
      },
    )
    for (const member of cluster.members) member.start()
    await waitFor('the connections are back', () => settled().then(() => true))
    await root.grantRole('crash', 'crash')
    await settled()
    const states = await Promise.all(
      clients.map(async (client) => {
        const { kvs } = await client.range('\0', '\0', true)
        const perms = await client.call('/etcdserverpb.Auth/RoleGet', Buffer.from('\x0a\x05crash'))
        // Behind the header, in which the member's id stands.
        return { kvs, perms: perms.subarray(2 + perms[1]!).toString('hex') }
      }),
    )
    assert.deepEqual(states[1], states[0])
    assert.deepEqual(states[2], states[0])
    const found = new Map(states[0]!.kvs.map(({ key, value }) => [String(key), String(value)]))
    for (const [key, value] of acknowledged) assert.equal(found.get(key), value, key)
    assert.equal(found.has('beyond'), false)
    for (const writer of writers) {
      await writer.put('crash/after', 'x')
      assert.equal(await refusalOf(writer.put('beyond', 'x')), denied)
    }
  })
})
