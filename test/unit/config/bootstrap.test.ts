import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatId } from '../../../src/base/ids.ts'
import { bootstrapCluster, initialMemberId } from '../../../src/config/bootstrap.ts'

test('ids are the ones that etcd 3.4.23 gives itself for the same flags', () => {
  const urls = ['http://127.0.0.1:33802', 'http://127.0.0.1:33801']
  const cluster = bootstrapCluster(new Map([['m1', urls]]), 'tok')
  assert.deepEqual(cluster.members, [
    { id: 2313038263694146499n, name: 'm1', peerUrls: ['http://127.0.0.1:33801', 'http://127.0.0.1:33802'] },
  ])
  assert.equal(formatId(cluster.members[0]!.id), '2019900bbb603bc3')
  assert.equal(cluster.clusterId, 18049739855697545298n)
})

test('every member works out the same cluster, whatever order its flags name the others in', () => {
  const urls = { a: ['http://10.0.0.1:2380'], b: ['http://10.0.0.2:2380'], c: ['http://10.0.0.3:2380'] }
  const forward = bootstrapCluster(new Map(Object.entries(urls)), 't')
  const backward = bootstrapCluster(new Map(Object.entries(urls).reverse()), 't')
  assert.deepEqual(forward, backward)
  assert.equal(new Set(forward.members.map((member) => member.id)).size, 3)
})

test('another token makes another cluster, another name does not', () => {
  const urls = ['http://10.0.0.1:2380']
  assert.notEqual(initialMemberId(urls, 'one'), initialMemberId(urls, 'two'))
  const named = (name: string) => bootstrapCluster(new Map([[name, urls]]), 'one').clusterId
  assert.equal(named('x'), named('y'))
})
