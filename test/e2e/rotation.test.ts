import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { beginRotation, finishRotation, renewLeaf, switchRotation } from '../../src/pki/index.ts'
import { readCertificates } from '../../src/x509/index.ts'
import type { Identity } from '../support/certificates.ts'
import { TestCluster } from '../support/cluster.ts'
import { ask, Scrape } from '../support/http1.ts'
import type { TestMember } from '../support/member.ts'
import { peerFlags, TestPki } from '../support/test-pki.ts'
import { waitFor } from '../support/wait-for.ts'
import { WriteLoad } from '../support/write-load.ts'

const wentOver = 'went over to a new connection to member'

const tlsInUse = async (member: TestMember, client: Identity): Promise<string[]> => {
  const scrape = new Scrape((await ask(`${member.clientUrl}/metrics`, client)).body)
  return [...scrape.all('leasehold_tls_certificate_days_left').keys()].map((line) =>
    ['port', 'role', 'serial'].map((label) => line.match(`${label}="([^"]*)"`)![1]).join(' '),
  )
}

test('authorities and all certificates are replaced in a running cluster, and nobody who writes notices', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'leasehold-rotation-'))
  try {
    const pki = new TestPki(dir)
    const certificates = pki.certificates()
    await using cluster = await TestCluster.create({ size: 3, certificates, flags: pki.crlFlags() })
    const peers = cluster.members.map((member) => pki.issue({ of: 'peers', name: `peer-${member.name}` }))
    for (const [i, member] of cluster.members.entries()) member.start(peerFlags(peers[i]!))
    await cluster.waitUntilServing()

    const authorities = (['clients', 'peers'] as const).map((name) => pki.authority(name))
    const serials = (identities: readonly Identity[]): string[] =>
      identities.map(({ certFile }) => readCertificates(readFileSync(certFile))[0]!.serial)
    /** What the metrics of a member have to say of its certificates and authorities. */
    const onDisk = (peer: Identity): string[] =>
      [
        { port: 'client', identity: certificates.server },
        { port: 'peer', identity: peer },
      ].flatMap(({ port, identity: { certFile, caFile } }) => [
        `${port} own ${readCertificates(readFileSync(certFile))[0]!.serial}`,
        ...readCertificates(readFileSync(caFile)).map(({ serial }) => `${port} authority ${serial}`),
      ])
    /** Until every member has in use what is on disk after `work`. */
    const untilTaken = async (work: () => void): Promise<void> => {
      work()
      await Promise.all(
        cluster.members.map((member, i) =>
          waitFor(`${member.name} has the files on disk in use`, async () => {
            const inUse = await tlsInUse(member, certificates.client)
            assert.deepEqual(inUse.sort(), onDisk(peers[i]!).sort())
            return true
          }),
        ),
      )
    }
    /** A client that trusts what `ca.crt` says now. */
    let clients = 0
    const writing = (): WriteLoad => {
      const caFile = join(dir, `trusted-${clients}.crt`)
      copyFileSync(certificates.client.caFile, caFile)
      const certFile = join(dir, `client-${clients}.crt`)
      copyFileSync(certificates.client.certFile, certFile)
      return new WriteLoad({
        endpoints: cluster.members.map((member) => member.clientUrl),
        identity: { caFile, certFile, keyFile: certificates.client.keyFile },
        writers: 3,
        keyPrefix: `client-${clients++}/`,
        // What is lost fails after some seconds; what only takes long on a busy machine does not.
        deadlineMs: 30_000,
      })
    }
    /** Ends `load`, none of whose requests has failed, once `next` writes. */
    const handOver = async (load: WriteLoad, next: WriteLoad | null): Promise<void> => {
      await next?.more(50)
      await load.more(50)
      await load.stop()
      assert.equal(load.failures, 0, String(load.lastError))
    }

    const first = writing()
    await first.more(50)
    await untilTaken(() => {
      for (const dir of authorities) beginRotation({ dir })
    })
    const second = writing()
    await handOver(first, second)

    const all = [certificates.server, certificates.client, ...peers]
    const before = serials(all)
    const goings = cluster.members.map(({ log }) => log.split(wentOver).length)
    await untilTaken(() => {
      for (const dir of authorities) switchRotation({ dir })
      for (const { certFile } of [certificates.server, certificates.client])
        renewLeaf({ dir: authorities[0]!, certFile, keyFile: null })
      for (const { certFile } of peers) renewLeaf({ dir: authorities[1]!, certFile, keyFile: null })
    })
    assert.ok(serials(all).every((serial, i) => serial !== before[i]))
    for (const [i, member] of cluster.members.entries())
      await waitFor(`${member.name} goes over`, () => member.log.split(wentOver).length >= goings[i]! + 2)
    const third = writing()
    await handOver(second, third)

    await untilTaken(() => {
      for (const dir of authorities) finishRotation({ dir, force: true })
    })
    await handOver(third, null)
    // Who still has a certificate of before is out.
    const old = { ...certificates.client, certFile: join(dir, 'client-0.crt') }
    const late = new WriteLoad({
      endpoints: [cluster.members[0]!.clientUrl],
      identity: old,
      writers: 1,
      keyPrefix: 'late/',
    })
    await waitFor('it is refused', () => late.failures > 1)
    await late.stop()
    assert.equal(late.acknowledged.size, 0)
    for (const member of cluster.members) assert.doesNotMatch(member.log, /lost leader/)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
