/** What kind of request it is about: names the report. */
export type Area = 'kv' | 'txn' | 'lease' | 'watch'

/** The two servers did not do the same. */
export class Difference extends Error {
  override readonly name = 'Difference'
  readonly area: Area
  readonly etcd: string
  readonly leasehold: string

  /** @param what was compared. The texts are what each server did. */
  constructor(area: Area, what: string, etcd: string, leasehold: string) {
    super(what)
    this.area = area
    this.etcd = etcd
    this.leasehold = leasehold
  }
}
