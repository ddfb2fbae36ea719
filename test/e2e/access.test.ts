import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import type { Identity } from '../support/certificates.ts'
import { TestCluster } from '../support/cluster.ts'
import { Etcdctl } from '../support/etcdctl.ts'
import type { TestMember } from '../support/member.ts'
import { freePorts } from '../support/ports.ts'
import { leasehold, run } from '../support/run.ts'

// A client that is refused tries again until its time is up: all of them at once.
describe('who gets in', { concurrency: true }, () => {
  let cluster: TestCluster
  let member: TestMember

  before(async () => {
    cluster = await TestCluster.start({ size: 1 })
    member = cluster.members[0]!
    await cluster.etcdctl.ok('put', 'secret', 'treasure')
  })
  after(async () => {
    const log = member?.log ?? ''
    await cluster?.[Symbol.asyncDispose]()
    assert.match(log, /TLS handshake refused/)
    assert.ok(!log.includes('treasure'), 'no log line holds the value of a key')
  })

  const get = (url: string, identity: Identity | null) =>
    new Etcdctl([url], identity).run(['get', 'secret', '--command-timeout=2s', '--dial-timeout=2s'])

  async function refused(url: string, identity: Identity | null): Promise<void> {
    const { code, stdout, stderr } = await get(url, identity)
    assert.notEqual(code, 0)
    assert.ok(!stdout.includes('treasure'), stdout)
    assert.notEqual(stderr, '')
    // And it did no harm.
    assert.equal(await cluster.etcdctl.ok('get', 'secret', '--print-value-only'), 'treasure\n')
  }

  test('a client of the right authority is served', async () => {
    assert.equal((await get(member.clientUrl, cluster.certificates.client)).stdout, 'secret\ntreasure\n')
  })

  test('a client of another authority is refused', () => refused(member.clientUrl, cluster.certificates.stranger))

  test('a client without a certificate is refused', async () => {
    const url = new URL(member.clientUrl)
    const { code, stderr } = await run(
      'etcdctl',
      [
        `--endpoints=${member.clientUrl}`,
        `--cacert=${cluster.certificates.client.caFile}`,
        '--command-timeout=2s',
        'get',
        'secret',
      ],
      { env: { ETCDCTL_API: '3' } },
    )
    assert.notEqual(code, 0)
    assert.match(stderr, /./)
    // At the level of TLS: the connection is closed and not one byte is answered.
    const received = await new Promise<Buffer>((resolve) => {
      const chunks: Buffer[] = []
      const socket = connectTls({
        host: '127.0.0.1',
        port: Number(url.port),
        rejectUnauthorized: false,
        ALPNProtocols: ['h2'],
      })
      socket.on('data', (chunk: Buffer) => chunks.push(chunk))
      socket.on('error', () => {})
      socket.on('close', () => resolve(Buffer.concat(chunks)))
      socket.on('secureConnect', () => socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'))
    })
    assert.equal(received.length, 0)
  })

  test('a client whose certificate has expired is refused', async () => {
    const identity = await expiredClient(cluster)
    const { stdout } = await run('openssl', ['x509', '-in', identity.certFile, '-noout', '-checkend', '0'])
    assert.match(stdout, /will expire/)
    await refused(member.clientUrl, identity)
  })

  test('a client that speaks plaintext is refused', () => refused(member.clientUrl.replace('https', 'http'), null))

  test('a member is no client: its certificate is of another authority', () =>
    refused(member.clientUrl, { ...cluster.certificates.peer, caFile: cluster.certificates.client.caFile }))

  test('the peer port serves no client, not even one with a member’s certificate', async () => {
    const { client, peer } = cluster.certificates
    await Promise.all([refused(member.peerUrl, client), refused(member.peerUrl, peer)])
  })

  test('garbage on either port harms nobody', async () => {
    for (const url of [member.clientUrl, member.peerUrl]) {
      for (const bytes of [
        Buffer.from('GET / HTTP/1.1\r\n\r\n'),
        Buffer.alloc(100_000, 0xff),
        Buffer.from([22, 3, 1]),
      ]) {
        await new Promise<void>((resolve) => {
          const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.end(bytes))
          socket.on('error', () => {})
          socket.on('close', () => resolve())
          socket.resume()
        })
      }
    }
    assert.equal(await cluster.etcdctl.ok('get', 'secret', '--print-value-only'), 'treasure\n')
    assert.ok(member.isRunning)
  })
})

/** The authority's key signs with yesterday's dates: `leasehold pki` has no way to do that. */
async function expiredClient(cluster: TestCluster): Promise<Identity> {
  const { clientAuthority, client } = cluster.certificates
  const file = (name: string): string => join(cluster.dir, name)
  writeFileSync(
    file('ca.cnf'),
    `[ca]\ndefault_ca=d\n[d]\ndatabase=${file('index.txt')}\nserial=${file('serial')}\nnew_certs_dir=${cluster.dir}\n` +
      `default_md=sha256\npolicy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nextendedKeyUsage=clientAuth\n`,
  )
  writeFileSync(file('index.txt'), '')
  writeFileSync(file('serial'), '4242\n')
  const openssl = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await run('openssl', args)
    assert.equal(code, 0, stderr)
  }
  await openssl('req', '-new', '-key', client.keyFile, '-subj', '/CN=expired', '-out', file('expired.csr'))
  await openssl(
    ...['ca', '-batch', '-notext', '-config', file('ca.cnf'), '-in', file('expired.csr'), '-out', file('expired.crt')],
    ...['-cert', join(clientAuthority, 'ca.crt'), '-keyfile', join(clientAuthority, 'ca-1.key')],
    ...['-startdate', '20200101000000Z', '-enddate', '20200102000000Z'],
  )
  return { ...client, certFile: file('expired.crt') }
}

describe('a member among strangers', () => {
  test('one with a certificate of another authority does not join', async () => {
    await using cluster = await TestCluster.create({ size: 3 })
    const [first, second, third] = cluster.members as [TestMember, TestMember, TestMember]
    first.start()
    second.start()
    const { stranger } = cluster.certificates
    third.start([`--peer-cert-file=${stranger.certFile}`, `--peer-key-file=${stranger.keyFile}`])
    await cluster.waitUntilServing([first, second])
    await cluster.at(first).ok('put', 'a', '1')
    const { code } = await cluster.at(third).run(['get', 'a', '--command-timeout=2s'])
    assert.notEqual(code, 0)
    assert.equal(await cluster.at(third).ok('get', 'a', '--consistency=s'), '')
    // With its own certificate it does.
    await third.kill()
    third.start()
    await cluster.waitUntilServing()
    assert.equal(await cluster.at(third).ok('get', 'a', '--print-value-only'), '1\n')
  })
})

describe('files that are not safe to use', { concurrency: true }, () => {
  let cluster: TestCluster
  before(async () => {
    cluster = await TestCluster.create({ size: 1 })
  })
  after(() => cluster?.[Symbol.asyncDispose]())

  async function refusedStart(replace: Partial<Identity>, reason: RegExp): Promise<void> {
    const [client, peer] = await freePorts(2)
    // A folder of its own: the address, and with it the identity, is another for each start.
    const dataDir = join(cluster.dir, `data-${client}`)
    const files = { ...cluster.certificates.server, ...replace }
    const { code, stderr } = await run(
      leasehold,
      [
        'serve',
        `--data-dir=${dataDir}`,
        `--listen-client-urls=https://127.0.0.1:${client}`,
        `--advertise-client-urls=https://127.0.0.1:${client}`,
        `--listen-peer-urls=http://127.0.0.1:${peer}`,
        `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
        `--cert-file=${files.certFile}`,
        `--key-file=${files.keyFile}`,
        `--trusted-ca-file=${files.caFile}`,
        '--serve-threads=0',
      ],
      { timeoutMs: 30_000 },
    )
    assert.equal(code, 1, stderr)
    assert.match(stderr, reason)
    assert.match(stderr, /^leasehold serve: [^\n]+\n$/)
  }

  test('a missing certificate', () => refusedStart({ certFile: '/nowhere/x.crt' }, /\/nowhere\/x\.crt/))
  test('a key of another certificate', () =>
    refusedStart({ keyFile: cluster.certificates.peer.keyFile }, /does not belong to the certificate/))
  test('a certificate for a key', () => refusedStart({ keyFile: cluster.certificates.server.certFile }, /server\.crt/))
  test('a key that others may read', () => {
    const keyFile = join(cluster.dir, 'open.key')
    copyFileSync(cluster.certificates.server.keyFile, keyFile)
    chmodSync(keyFile, 0o644)
    return refusedStart({ keyFile }, /open\.key/)
  })
})
