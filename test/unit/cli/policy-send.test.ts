import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CallError, type ClusterClient } from '../../../src/cli/connection.ts'
import { CommandError } from '../../../src/cli/failure.ts'
import { sendPolicy } from '../../../src/cli/policy-send.ts'
import { Code, etcdErrors } from '../../../src/errors.ts'
import { differenceOf, type Rules } from '../../../src/policy/index.ts'
import { PolicyApplyRequest, PolicyApplyResponse, PolicyGetResponse } from '../../../src/wire/gen/leasehold.ts'

const nothing: Rules = { roles: [], users: [], groups: [] }
const wanted: Rules = { ...nothing, users: [{ name: 'ann', roles: [], no_password: true }] }
const refusedWith = ({ code, message }: { readonly code: number; readonly message: string }) =>
  new CallError(code, message)
const lost = new CallError(Code.Unavailable, 'connection lost')

/** A cluster that answers an Apply with that, and a Get afterwards with the rules of a revision. */
class FakeCluster implements ClusterClient {
  readonly asked: string[] = []
  readonly #applied: bigint | CallError
  readonly #then: readonly [bigint, Rules] | CallError

  constructor(applied: bigint | CallError, then: readonly [bigint, Rules] | CallError = lost) {
    this.#applied = applied
    this.#then = then
  }

  async unary(path: string, request: Uint8Array): Promise<Uint8Array> {
    this.asked.push(path.split('/').at(-1)!)
    if (path.endsWith('/Apply')) {
      assert.equal(PolicyApplyRequest.decode(request).expected_auth_revision, 7n)
      if (typeof this.#applied !== 'bigint') throw this.#applied
      return PolicyApplyResponse.encode({ header: undefined, auth_revision: this.#applied }).finish()
    }
    if (this.#then instanceof CallError) throw this.#then
    const [auth_revision, { users }] = this.#then
    const answer = { header: undefined, enabled: true, auth_revision, roles: [], users: [...users], groups: [] }
    return PolicyGetResponse.encode(answer).finish()
  }

  close(): void {}
}

for (const { name, cluster, want, asked = ['Apply'] } of [
  { name: 'it is applied', cluster: new FakeCluster(8n), want: 8n },
  {
    name: 'somebody was faster',
    cluster: new FakeCluster(refusedWith(etcdErrors.authOldRevision)),
    want: 'the rules were changed meanwhile: nothing was applied; look at the difference again',
  },
  {
    name: 'the caller may not',
    cluster: new FakeCluster(refusedWith(etcdErrors.permissionDenied)),
    want: 'etcdserver: permission denied; nothing was applied',
  },
  {
    name: 'nobody could mend it',
    cluster: new FakeCluster(refusedWith(etcdErrors.invalidAuthManagement)),
    want: 'etcdserver: invalid auth management: nobody with the role root could log in any more, or you would not have it, or it would take a certificate, and you came without one (apply with one, to show that it is good); nothing was applied',
  },
  {
    name: 'the answer is lost, and it was applied',
    cluster: new FakeCluster(lost, [9n, wanted]),
    want: 9n,
    asked: ['Apply', 'Get'],
  },
  {
    name: 'the answer is lost, and nothing has happened',
    cluster: new FakeCluster(lost, [7n, nothing]),
    want: 'no answer (connection lost): it is not applied so far; look with policy diff',
    asked: ['Apply', 'Get'],
  },
  {
    name: 'the answer is lost, and others came between',
    cluster: new FakeCluster(new CallError(Code.DeadlineExceeded, 'too late'), [8n, nothing]),
    want: 'no answer (too late): others have changed the rules; look with policy diff',
    asked: ['Apply', 'Get'],
  },
  {
    name: 'the answer is lost, and nobody can be asked',
    cluster: new FakeCluster(lost, lost),
    want: 'no answer (connection lost), nor to what became of it (connection lost): it may have been applied; look with policy diff',
    asked: ['Apply', 'Get'],
  },
] satisfies { name: string; cluster: FakeCluster; want: bigint | string; asked?: string[] }[]) {
  test(`sent once: ${name}`, async () => {
    const difference = differenceOf(nothing, wanted, { revision: 7n, prune: false })
    const isDone = (rules: Rules): boolean => rules.users.length === 1
    const got = await sendPolicy(cluster, difference, isDone).catch((error: unknown) => {
      assert.ok(error instanceof CommandError, String(error))
      return error.message
    })
    assert.equal(got, want)
    assert.deepEqual(cluster.asked, asked)
  })
}
