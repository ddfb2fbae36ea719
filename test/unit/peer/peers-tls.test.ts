import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { after, afterEach, before, test } from 'node:test'
import { clusterId, memberId } from '../../../src/base/ids.ts'
import { silentLog } from '../../../src/base/log.ts'
import type { TlsFiles } from '../../../src/config/member-config.ts'
import { createPeers } from '../../../src/peer/peers.ts'
import { clientTlsOptions } from '../../../src/security/tls-context.ts'
import { readTlsFiles } from '../../../src/security/tls-files.ts'
import { TlsSource } from '../../../src/security/tls-source.ts'
import { type TestAuthority, testAuthority } from '../pki/test-authority.ts'
import { closeAll, connectAll, type FakeReplica, fakeReplica, heartbeat, proposal, until } from './fake-replica.ts'

let authority: TestAuthority
let stranger: TestAuthority
const replicas: FakeReplica[] = []
before(() => {
  authority = testAuthority()
  stranger = testAuthority()
})
after(() => {
  authority.remove()
  stranger.remove()
})
afterEach(() => closeAll(replicas.splice(0)))

const make = (...args: Parameters<typeof fakeReplica>): FakeReplica => {
  const replica = fakeReplica(...args)
  replicas.push(replica)
  return replica
}

test('three members over mutual TLS', async () => {
  const three = [1n, 2n, 3n].map((id) => make({ id, tls: authority.leaf(`good${id}`) }))
  await connectAll(three, 'https')
  for (const from of three) for (const to of three) if (from !== to) from.transport.peers.send([heartbeat(from, to, 1)])
  await until('all have arrived', () => three.every((each) => each.received.length === 2))
  assert.deepEqual(
    three.flatMap((each) => each.warnings),
    [],
  )
})

for (const { name, intruder, at, reason } of [
  { name: 'of another authority', intruder: () => foreign(), at: 'listener', reason: /UNABLE_TO|SELF_SIGNED|VERIFY/ },
  {
    name: 'that has expired',
    intruder: () => authority.leaf('expired', {}, 40),
    at: 'listener',
    reason: /CERT_HAS_EXPIRED/,
  },
  {
    name: 'of a member with other addresses',
    intruder: () => authority.leaf('elsewhere', { dnsNames: ['m9.example.net'], ipAddresses: ['10.9.9.9'] }),
    at: 'listener',
    reason: /certificate does not name an address of that member/,
  },
  {
    name: 'of a client',
    intruder: () => authority.leaf('app', { profile: 'client', dnsNames: [], ipAddresses: [], uris: [] }),
    at: 'listener',
    reason: /certificate does not name an address of that member/,
  },
]) {
  test(`nobody speaks for a member with a certificate ${name}; nor is it dialed`, async () => {
    const one = make({ id: 1n, tls: authority.leaf(`one ${name}`.replaceAll(' ', '-')) })
    const two = make({ id: 2n, tls: intruder() })
    await one.transport.start()
    await two.transport.start()
    const members = new Map([one, two].map((each) => [each.id, { peerUrls: [`https://127.0.0.1:${each.port()}`] }]))
    one.transport.setMembers(members)
    two.transport.setMembers(members)
    await until(`the ${at} says why`, () => one.warnings.some((line) => reason.test(line)))
    await until('both have given up at least once', () => one.unreachable.length > 0 && two.unreachable.length > 0)
    two.transport.peers.send([heartbeat(two, one, 1)])
    assert.equal(one.transport.connectedMs(two.id), null)
    assert.equal(two.transport.connectedMs(one.id), null)
    assert.deepEqual(one.received, [])
  })
}

test('a plaintext member and a TLS member do not meet', async () => {
  const one = make({ id: 1n, tls: authority.leaf('secure') })
  const two = make({ id: 2n })
  await one.transport.start()
  await two.transport.start()
  one.transport.setMembers(new Map([[two.id, { peerUrls: [`http://127.0.0.1:${two.port()}`] }]]))
  assert.ok(
    one.warnings.some((line) => line.includes('not a valid https:// URL')),
    'no falling back to plaintext',
  )
  one.transport.setMembers(new Map([[two.id, { peerUrls: [`https://127.0.0.1:${two.port()}`] }]]))
  two.transport.setMembers(new Map([[one.id, { peerUrls: [`http://127.0.0.1:${one.port()}`] }]]))
  await until('both have given up', () => one.unreachable.length > 0 && two.unreachable.length > 0)
  assert.deepEqual([...one.received, ...two.received], [])
})

test('a listen URL must go with the TLS files', () => {
  assert.throws(() => fakeReplicaWithUrl('http://127.0.0.1:0', authority.leaf('scheme')), /the scheme must be https:/)
})

test('an HTTP/2 client with a good certificate gets nowhere', async () => {
  const one = make({ id: 1n, tls: authority.leaf('port') })
  await one.transport.start()
  const options = clientTlsOptions(readTlsFiles(authority.leaf('client', { profile: 'client' })), '127.0.0.1', ['h2'])
  const session = connectHttp2(`https://127.0.0.1:${one.port()}`, options)
  const error = await new Promise<NodeJS.ErrnoException>((resolve) => session.once('error', resolve))
  assert.match(String(error.code), /NO_APPLICATION_PROTOCOL/)
})

test('a renewed certificate is used by the next dial without a restart', async () => {
  const dying = authority.leaf('renewing', {}, 40)
  const files = TlsSource.of(dying)
  const one = make({ id: 1n, tls: files })
  const two = make({ id: 2n, tls: authority.leaf('steady') })
  await one.transport.start()
  await two.transport.start()
  const members = new Map([one, two].map((each) => [each.id, { peerUrls: [`https://127.0.0.1:${each.port()}`] }]))
  one.transport.setMembers(members)
  two.transport.setMembers(members)
  await until('it is refused', () => two.warnings.some((line) => line.includes('CERT_HAS_EXPIRED')))
  const fresh = authority.leaf('renewed')
  copyFileSync(fresh.keyFile, dying.keyFile)
  copyFileSync(fresh.certFile, dying.certFile)
  files.reload()
  await until(
    'both are connected',
    () => one.transport.connectedMs(two.id) !== null && two.transport.connectedMs(one.id) !== null,
  )
})

const foreign = (): TlsFiles => ({ ...stranger.leaf('foreign'), trustedCaFile: authority.caFile })

function fakeReplicaWithUrl(url: string, tls: TlsFiles): void {
  createPeers({
    self: { clusterId: clusterId(1n), memberId: memberId(1n) },
    members: new Map(),
    listenUrls: [new URL(url)],
    tls,
    events: { receive() {}, acceptSnapshot: () => null, receiveSnapshot() {}, unreachable() {}, answer() {} },
    log: silentLog,
  })
}

for (const { name, uris, want } of [
  { name: 'to this member of this cluster', uris: ['leasehold://c1/two'], want: true },
  { name: 'to several, of which it is one', uris: ['leasehold://c1/one', 'leasehold://c1/two'], want: true },
  { name: 'to nobody', uris: ['spiffe://c1/one'], want: true },
  { name: 'to another member with the same addresses', uris: ['leasehold://c1/one'], want: false },
  { name: 'to a member of another cluster', uris: ['leasehold://c2/two'], want: false },
]) {
  test(`a certificate that is bound ${name} is ${want ? 'taken' : 'refused by both ends'}`, async () => {
    const token = { clusterToken: 'c1' }
    const one = make({
      id: 1n,
      tls: authority.leaf(`bound-1-${uris.length}-${want}-${name.length}`, { uris: ['leasehold://c1/one'] }),
      ...token,
    })
    const two = make({
      id: 2n,
      tls: authority.leaf(`bound-2-${uris.length}-${want}-${name.length}`, { uris }),
      ...token,
    })
    await one.transport.start()
    await two.transport.start()
    const members = new Map(
      (
        [
          [one, 'one'],
          [two, 'two'],
        ] as const
      ).map(([each, called]) => [each.id, { peerUrls: [`https://127.0.0.1:${each.port()}`], name: called }]),
    )
    for (const each of [one, two]) each.transport.setMembers(members)
    const isConnected = () => one.transport.connectedMs(two.id) !== null && two.transport.connectedMs(one.id) !== null
    if (want) return until('both are connected', isConnected)
    const says = (line: string) => line.includes('certificate is bound to another member')
    await until('the listener says why', () => one.warnings.some((line) => says(line) && line.includes('refused')))
    await until('the dialer says why', () => one.warnings.some((line) => says(line) && line.includes('cannot connect')))
    assert.equal(one.transport.connectedMs(two.id), null)
    assert.equal(two.transport.connectedMs(one.id), null)
  })
}

test('a member whose certificate is renewed goes over to new connections, both ways, and loses nothing', async () => {
  const source = TlsSource.of(authority.leaf('before'))
  const one = make({ id: 1n, tls: source })
  const two = make({ id: 2n, tls: authority.leaf('beside') })
  await connectAll([one, two], 'https')
  const upMs = [one.transport.connectedMs(two.id)!, two.transport.connectedMs(one.id)!]
  const fresh = authority.leaf('after')
  copyFileSync(fresh.keyFile, source.material.files.keyFile)
  copyFileSync(fresh.certFile, source.material.files.certFile)
  let sent = 0
  const sending = setInterval(() => {
    sent++
    one.transport.peers.send([heartbeat(one, two, sent)])
    two.transport.peers.send([heartbeat(two, one, sent)])
  }, 1)
  source.reload()
  await until('both went over', () => [one, two].every((each) => each.infos.some((line) => line.includes('went over'))))
  const target = sent + 20
  await until('more is sent', () => sent >= target)
  clearInterval(sending)
  await until('all have arrived', () => one.received.length === sent && two.received.length === sent)
  assert.ok(one.transport.connectedMs(two.id)! > upMs[0]! && two.transport.connectedMs(one.id)! > upMs[1]!)
  assert.deepEqual([one.unreachable, two.unreachable, one.warnings, two.warnings], [[], [], [], []])
})

const renew = (source: TlsSource, name: string): void => {
  const fresh = authority.leaf(name)
  copyFileSync(fresh.keyFile, source.material.files.keyFile)
  copyFileSync(fresh.certFile, source.material.files.certFile)
  source.reload()
}

const goings = ({ infos }: FakeReplica): number => infos.filter((line) => line.includes('went over')).length

test('what is still on its way on a connection arrives although the one after it is replaced, too', async () => {
  const source = TlsSource.of(authority.leaf('replaced-0'))
  const one = make({ id: 1n, tls: source })
  const two = make({ id: 2n, tls: authority.leaf('replaced-beside') })
  await connectAll([one, two], 'https')
  // More than the kernel takes at once, and than is decrypted during a few handshakes.
  const count = 30
  for (let sent = 0; sent < count; sent++) one.transport.peers.send([proposal(one, two, 1024 * 1024)])
  for (let round = 1; round <= 3; round++) {
    renew(source, `replaced-${round}`)
    await until('it went over', () => goings(one) >= round)
  }
  await until('all have arrived', () => two.received.length === count, 10_000)
  assert.deepEqual([one.unreachable, two.unreachable, one.warnings, two.warnings], [[], [], [], []])
})

test('a certificate that is renewed during the dial with the one before is presented by another dial', async () => {
  const source = TlsSource.of(authority.leaf('renewed-0'))
  const one = make({ id: 1n, tls: source })
  const two = make({ id: 2n, tls: authority.leaf('renewed-beside') })
  await connectAll([one, two], 'https')
  renew(source, 'renewed-1')
  renew(source, 'renewed-2')
  await until('it went over twice', () => goings(one) >= 2, 10_000)
})
