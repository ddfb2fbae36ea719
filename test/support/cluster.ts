import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeCertificates, type TestCertificates } from './certificates.ts'
import { Etcdctl } from './etcdctl.ts'
import { TestMember } from './member.ts'
import { freePorts } from './ports.ts'
import { waitFor } from './wait-for.ts'

export interface TestClusterOptions {
  readonly size: number
  /** For every member. */
  readonly flags?: readonly string[]
  readonly program?: 'leasehold' | 'etcd'
  /** From another cluster, to save their making. */
  readonly certificates?: TestCertificates
}

interface EndpointStatus {
  readonly Endpoint: string
  readonly Status: {
    readonly leader: number
    readonly header: { readonly member_id: number; readonly revision: number }
  }
}

/** Members as processes on loopback, with mutual TLS on both ports. Use with `await using`: it leaves nothing behind. */
export class TestCluster implements AsyncDisposable {
  readonly members: readonly TestMember[]
  readonly certificates: TestCertificates
  readonly etcdctl: Etcdctl
  readonly #dir: string

  private constructor(dir: string, members: readonly TestMember[], certificates: TestCertificates) {
    this.#dir = dir
    this.members = members
    this.certificates = certificates
    this.etcdctl = new Etcdctl(
      members.map((member) => member.clientUrl),
      certificates.client,
    )
  }

  /** Plans a cluster and makes its certificates; starts nothing. */
  static async create(options: TestClusterOptions): Promise<TestCluster> {
    const dir = mkdtempSync(join(tmpdir(), 'leasehold-e2e-'))
    const certificates = options.certificates ?? makeCertificates(dir)
    const ports = await freePorts(2 * options.size)
    const url = (port: number): string => `https://127.0.0.1:${port}`
    const planned = Array.from({ length: options.size }, (_, index) => ({
      name: `m${index + 1}`,
      dataDir: join(dir, `m${index + 1}`),
      clientUrl: url(ports[2 * index]!),
      peerUrl: url(ports[2 * index + 1]!),
    }))
    const initialCluster = planned.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',')
    const { server, peer } = certificates
    const members = planned.map(
      (plan) =>
        new TestMember({
          ...plan,
          program: options.program ?? 'leasehold',
          flags: [
            `--name=${plan.name}`,
            `--data-dir=${plan.dataDir}`,
            `--listen-client-urls=${plan.clientUrl}`,
            `--advertise-client-urls=${plan.clientUrl}`,
            `--listen-peer-urls=${plan.peerUrl}`,
            `--initial-advertise-peer-urls=${plan.peerUrl}`,
            `--initial-cluster=${initialCluster}`,
            `--initial-cluster-token=${ports[0]}`,
            `--cert-file=${server.certFile}`,
            `--key-file=${server.keyFile}`,
            `--trusted-ca-file=${server.caFile}`,
            '--client-cert-auth',
            `--peer-cert-file=${peer.certFile}`,
            `--peer-key-file=${peer.keyFile}`,
            `--peer-trusted-ca-file=${peer.caFile}`,
            '--peer-client-cert-auth',
            ...(options.flags ?? []),
          ],
        }),
    )
    return new TestCluster(dir, members, certificates)
  }

  static async start(options: TestClusterOptions): Promise<TestCluster> {
    const cluster = await TestCluster.create(options)
    try {
      for (const member of cluster.members) member.start()
      await cluster.waitUntilServing()
      return cluster
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
  }

  /** A folder of this cluster's own for a test's files. */
  get dir(): string {
    return this.#dir
  }

  /** etcdctl that talks to one member only. */
  at(member: TestMember): Etcdctl {
    return new Etcdctl([member.clientUrl], this.certificates.client)
  }

  /** Until each of `members` answers a linearizable read. */
  async waitUntilServing(members: readonly TestMember[] = this.members, timeoutMs?: number): Promise<void> {
    await Promise.all(
      members.map((member) =>
        waitFor(
          `${member.name} serves`,
          async () => {
            if (!member.isRunning) throw new Error(`${member.name} is not running; its log:\n${member.logTail()}`)
            await this.at(member).ok('get', 'ready', '--command-timeout=2s')
            return true
          },
          timeoutMs,
        ).catch((error) => {
          throw new Error(`${member.name} does not serve; its log:\n${member.logTail()}`, { cause: error })
        }),
      ),
    )
  }

  async #status(member: TestMember): Promise<EndpointStatus['Status']> {
    const [status] = await this.at(member).json<EndpointStatus[]>('endpoint', 'status', '--command-timeout=2s')
    return status!.Status
  }

  /** The member that all of `members` take for the leader, once they agree. */
  leader(members: readonly TestMember[] = this.members.filter((member) => member.isRunning)): Promise<TestMember> {
    return waitFor('the members agree on a leader among them', async () => {
      const statuses = await Promise.all(members.map((member) => this.#status(member)))
      const leaders = new Set(statuses.map((status) => status.leader))
      if (leaders.size !== 1 || leaders.has(0)) return null
      return members.find((_, index) => statuses[index]!.header.member_id === statuses[index]!.leader)
    })
  }

  async follower(): Promise<TestMember> {
    const leader = await this.leader()
    return this.members.find((member) => member !== leader && member.isRunning)!
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.members.map(async (member) => {
        if (member.isRunning) member.signal('SIGCONT')
        await member.kill()
      }),
    )
    rmSync(this.#dir, { recursive: true, force: true })
  }
}
