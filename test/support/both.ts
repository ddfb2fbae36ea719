import { after, before } from 'node:test'
import { TestCluster } from './cluster.ts'

/** A leasehold cluster and a real etcd of one member, with the same certificates, for the tests of one `describe`. */
export class Both {
  #ours: TestCluster | null = null
  #etcd: TestCluster | null = null

  /** Starts them before the tests of the surrounding `describe`, and stops them afterwards. */
  static forThisSuite(size: number): Both {
    const both = new Both()
    before(async () => {
      both.#ours = await TestCluster.start({ size })
      both.#etcd = await TestCluster.start({ size: 1, program: 'etcd', certificates: both.#ours.certificates })
    })
    after(async () => {
      await both.#ours?.[Symbol.asyncDispose]()
      await both.#etcd?.[Symbol.asyncDispose]()
    })
    return both
  }

  get ours(): TestCluster {
    return this.#ours!
  }

  get etcd(): TestCluster {
    return this.#etcd!
  }

  /** What `scenario` gives for etcd, and for leasehold: tests compare the two. */
  async run<T>(scenario: (cluster: TestCluster) => Promise<T>): Promise<{ ours: T; etcd: T }> {
    const [ours, etcd] = await Promise.all([scenario(this.ours), scenario(this.etcd)])
    return { ours, etcd }
  }
}
