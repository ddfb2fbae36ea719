import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type ConnectionOptions, connect, createServer, type Server } from 'node:tls'
import type { Identity } from '../support/certificates.ts'
import { TestCluster } from '../support/cluster.ts'
import type { TestMember } from '../support/member.ts'
import { freePorts } from '../support/ports.ts'
import { run } from '../support/run.ts'
import { TestPki } from '../support/test-pki.ts'
import { waitFor } from '../support/wait-for.ts'

/**
 * Every door of a member, and everyone who must not get through it. The member's peer side wants the common name
 * "member", its client side the host name "app.test".
 */
let dir: string
let pki: TestPki
let cluster: TestCluster
let member: TestMember
let metricsUrl: string
let impostor: Server
let bad: Readonly<Record<string, Identity | null>>

const named = { dnsNames: ['localhost', 'app.test'], commonName: 'member' } as const

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'leasehold-matrix-'))
  pki = new TestPki(dir)
  const usual = pki.certificates()
  const certificates = {
    ...usual,
    client: pki.issue({ of: 'clients', name: 'good-client', ...named }),
    peer: pki.issue({ of: 'peers', name: 'good-peer', ...named }),
  }
  const make = (of: 'clients' | 'peers') => {
    const issue = (name: string, more: Partial<Parameters<TestPki['issue']>[0]> = {}): Identity =>
      pki.issue({ of, name: `${of}-${name}`, ...named, ...more })
    const revoked = issue('revoked')
    pki.revoke(of, revoked)
    return {
      [`${of} no certificate`]: null,
      [`${of} other authority`]: issue('foreign', { of: 'strangers' }),
      [`${of} expired`]: issue('expired', { ageDays: 40 }),
      [`${of} not yet valid`]: issue('early', { ageDays: -5 }),
      [`${of} wrong usage as client`]: issue('server-only', { usage: ['serverAuth'] }),
      [`${of} wrong usage as server`]: issue('client-only', { usage: ['clientAuth'] }),
      [`${of} wrong SAN`]: issue('elsewhere', { dnsNames: ['other.test'], ipAddresses: ['10.9.9.9'] }),
      [`${of} wrong CN`]: issue('stranger', { commonName: 'somebody' }),
      [`${of} revoked`]: revoked,
    }
  }
  bad = { ...make('clients'), ...make('peers') }

  const [impostorPort, metricsPort] = await freePorts(2)
  metricsUrl = `https://127.0.0.1:${metricsPort}`
  impostor = createServer({ ALPNProtocols: ['leasehold-peer/1'], ...pairOf(certificates.peer) }, (socket) =>
    socket.on('error', () => {}).resume(),
  )
  impostor.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => impostor.listen(impostorPort, '127.0.0.1', resolve))

  cluster = await TestCluster.create({ size: 1, certificates, flags: pki.crlFlags() })
  member = cluster.members[0]!
  member.start([
    '--client-cert-allowed-hostname=app.test',
    `--listen-metrics-urls=${metricsUrl}`,
    '--peer-cert-allowed-cn=member',
    `--initial-cluster=m1=${member.peerUrl},m2=https://127.0.0.1:${impostorPort}`,
  ])
  // With nobody beside it but the impostor it has no leader, and its doors are open.
  await waitFor('it knows that the other one does not answer', () => member.log.includes('no answer in time'))
})
after(async () => {
  impostor?.close()
  await cluster?.[Symbol.asyncDispose]()
  rmSync(dir, { recursive: true, force: true })
})

const pairOf = ({ certFile, keyFile }: Identity) => ({ cert: readFileSync(certFile), key: readFileSync(keyFile) })

/** Lines of the member's log that came since. */
const logSince = (from: number): string => member.log.slice(from)

/** Resolves with whether one byte came back, or the connection stayed open, until it is over. */
async function knock(url: string, options: ConnectionOptions): Promise<'refused' | 'open'> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), rejectUnauthorized: false, ...options })
  socket.on('error', () => {})
  const closed = new Promise<'refused'>((resolve) => socket.once('close', () => resolve('refused')))
  socket.resume()
  const open = new Promise<'open'>((resolve) => setTimeout(() => resolve('open'), 1500).unref())
  const outcome = await Promise.race([closed, open])
  socket.destroy()
  return outcome
}

const clientRows = [
  ['no certificate', /PEER_DID_NOT_RETURN_A_CERTIFICATE/],
  ['other authority', /UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT/],
  ['expired', /CERT_HAS_EXPIRED/],
  ['not yet valid', /CERT_NOT_YET_VALID/],
  ['wrong usage as client', /INVALID_PURPOSE/],
  ['wrong SAN', /its certificate is not for app\.test/],
  ['revoked', /revoked \(keyCompromise\)/],
] as const

for (const { of, port, alpn, rows } of [
  { of: 'clients', port: 'client', alpn: 'h2', rows: clientRows },
  { of: 'clients', port: 'metrics', alpn: 'http/1.1', rows: clientRows },
  {
    of: 'peers',
    port: 'peer',
    alpn: 'leasehold-peer/1',
    rows: [
      ['no certificate', /PEER_DID_NOT_RETURN_A_CERTIFICATE/],
      ['other authority', /UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT/],
      ['expired', /CERT_HAS_EXPIRED/],
      ['not yet valid', /CERT_NOT_YET_VALID/],
      ['wrong usage as client', /INVALID_PURPOSE/],
      ['wrong SAN', /does not match any of DNSNames|certificate is valid for/],
      ['wrong CN', /common name of CN=somebody is not allowed/],
      ['revoked', /revoked \(keyCompromise\)/],
    ],
  },
] as const) {
  describe(`the ${port} port`, () => {
    const url = (): string => ({ client: member.clientUrl, metrics: metricsUrl, peer: member.peerUrl })[port]
    for (const [name, reason] of rows) {
      test(`refuses: ${name}`, async () => {
        const identity = bad[`${of} ${name}`]!
        const from = member.log.length
        const options = identity === null ? {} : pairOf(identity)
        assert.equal(await knock(url(), { ...options, ALPNProtocols: [alpn] }), 'refused')
        await waitFor('the log says why', () => {
          const lines = logSince(from).split('\n')
          return lines.some((line) => line.includes('TLS handshake refused') && reason.test(line))
        })
      })
    }

    test('takes one that is good in all of this', async () => {
      const { client, peer } = cluster.certificates
      const good = pairOf(of === 'clients' ? client : peer)
      assert.equal(await knock(url(), { ...good, ALPNProtocols: [alpn] }), 'open')
    })

    test('refuses the other port’s certificates', async () => {
      const { client, peer } = cluster.certificates
      const other = pairOf(of === 'clients' ? peer : client)
      assert.equal(await knock(url(), { ...other, ALPNProtocols: [alpn] }), 'refused')
    })

    for (const version of ['tls1_2', 'tls1_3'])
      test(`refuses a session of before the revocation (${version})`, async () => {
        const thief = pki.issue({ of, name: `${port}-thief-${version}`, ...named })
        const session = join(dir, `${port}-${version}.session`)
        const target = `127.0.0.1:${new URL(url()).port}`
        const openssl = (...more: string[]) =>
          run('openssl', ['s_client', '-connect', target, `-${version}`, '-alpn', alpn, ...more], { input: 'Q\n' })
        const pair = ['-cert', thief.certFile, '-key', thief.keyFile]
        await openssl(...pair, '-sess_out', session)
        pki.revoke(of, thief)
        const serial = /serial=(\w+)/.exec(
          (await run('openssl', ['x509', '-in', thief.certFile, '-noout', '-serial'])).stdout,
        )![1]!
        await waitFor(
          'the list is in use',
          async () => (await knock(url(), { ...pairOf(thief), ALPNProtocols: [alpn] })) === 'refused',
        )
        const from = member.log.length
        // The member keeps no session: what a client has kept is only a name.
        const resumed = await openssl(...pair, '-sess_in', session)
        assert.doesNotMatch(resumed.stdout, /Reused, TLS/)
        await openssl('-sess_in', session)
        if (version === 'tls1_2')
          await waitFor('the log says why', () => logSince(from).toLowerCase().includes(serial.toLowerCase()))
      })
  })
}

describe('whom a member dials', () => {
  for (const [name, reason] of [
    ['other authority', /UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT/],
    ['expired', /CERT_HAS_EXPIRED/],
    ['not yet valid', /CERT_NOT_YET_VALID/],
    ['wrong usage as server', /INVALID_PURPOSE/],
    ['wrong SAN', /ERR_TLS_CERT_ALTNAME_INVALID/],
    ['wrong CN', /common name of CN=somebody is not allowed/],
    ['revoked', /revoked \(keyCompromise\)/],
  ] as const) {
    test(`not: ${name}`, async () => {
      const from = member.log.length
      impostor.setSecureContext(pairOf(bad[`peers ${name}`]!))
      await waitFor('the log says why', () => {
        const lines = logSince(from).split('\n')
        return lines.some((line) => line.includes('to member') && reason.test(line))
      })
    })
  }

  test('and nobody at all of these', () => assert.doesNotMatch(member.log, /"msg":"connected to member"/))
})
