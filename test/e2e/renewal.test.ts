import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { signLeaf } from '../../src/pki/authority.ts'
import { withAuthority } from '../../src/pki/authority-folder.ts'
import { loadProfiles } from '../../src/pki/index.ts'
import { fingerprintOf, readCertificates } from '../../src/x509/index.ts'
import type { Identity } from '../support/certificates.ts'
import { TestCluster } from '../support/cluster.ts'
import { TestPki } from '../support/test-pki.ts'
import { waitFor } from '../support/wait-for.ts'

const hourMs = 60 * 60 * 1000

/** No certificate begins before its authority, which is five minutes old here: of such a life a third is more. */
const leftMs = 100_000

/** Puts a certificate into the place of another one that has so long to live. */
function age(dir: string, { certFile }: Identity): string {
  const now = readCertificates(readFileSync(certFile))[0]!
  return withAuthority(dir, null, (folder) => {
    const recorded = folder.state.issued.get(now.serial)!
    const request = {
      profile: 'member',
      commonName: recorded.subject,
      dnsNames: recorded.dnsNames,
      ipAddresses: recorded.ipAddresses,
      uris: recorded.uris,
      validityDays: 1,
    } as const
    const leaf = signLeaf(folder.signer(), request, now.publicKey, loadProfiles(), Date.now() - 24 * hourMs + leftMs)
    folder.recordIssued(
      {
        ...recorded,
        serial: leaf.serial,
        days: 1,
        notAfter: leaf.notAfter.toISOString(),
        fingerprint: fingerprintOf(leaf.certificate),
      },
      leaf.certPem,
    )
    writeFileSync(certFile, leaf.certPem)
    return leaf.serial
  })
}

test('a member renews its certificates itself, and serves with the new ones without a restart', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'leasehold-renewal-'))
  try {
    const pki = new TestPki(dir)
    const certificates = pki.certificates()
    const { server, peer, client } = certificates
    const old = [age(pki.authority('clients'), server), age(pki.authority('peers'), peer)]
    await using cluster = await TestCluster.create({
      size: 1,
      certificates,
      flags: [`--pki-dir=${pki.authority('peers')},${pki.authority('clients')}`],
    })
    const member = cluster.members[0]!
    member.start()
    await cluster.waitUntilServing()
    await waitFor('both are renewed', () => member.log.split('certificate renewed').length === 3)
    const renewed = [server, peer].map(({ certFile }) => readCertificates(readFileSync(certFile))[0]!)
    assert.ok(renewed.every(({ serial, notAfterMs }, i) => serial !== old[i] && notAfterMs - Date.now() > 23 * hourMs))
    const presented = (url: string, identity: Identity): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connect(
          {
            host: '127.0.0.1',
            port: Number(new URL(url).port),
            ca: readFileSync(identity.caFile),
            cert: readFileSync(identity.certFile),
            key: readFileSync(identity.keyFile),
          },
          () => {
            resolve(socket.getPeerCertificate().serialNumber.toLowerCase())
            socket.destroy()
          },
        )
        socket.on('error', reject)
      })
    await waitFor(
      'both ports present them',
      async () =>
        (await presented(member.clientUrl, client)) === renewed[0]!.serial &&
        (await presented(member.peerUrl, peer)) === renewed[1]!.serial,
    )
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
