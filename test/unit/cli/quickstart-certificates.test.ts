import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { prepareCertificates } from '../../../src/cli/quickstart-certificates.ts'

const dir = mkdtempSync(join(tmpdir(), 'leasehold-certificates-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const name = 'm1'
const plan = {
  dir,
  isNew: true,
  token: 't',
  members: [{ name, clientUrl: '', peerUrl: '', dataDir: '', logFile: '' }],
}

async function certificates() {
  const { members, client } = await prepareCertificates(plan)
  const { clients, peers } = members.get(name)!
  return [clients, peers, client].map(({ certFile, caFile }) => {
    const certificate = new X509Certificate(readFileSync(certFile))
    assert.ok(certificate.verify(new X509Certificate(readFileSync(caFile)).publicKey), certFile)
    return certificate.serialNumber
  })
}

test('certificates are kept while their authority is, and issued anew with a new one', async () => {
  const first = await certificates()
  assert.deepEqual(await certificates(), first)
  rmSync(join(dir, 'pki', 'clients'), { recursive: true })
  const [clients, peers, client] = await certificates()
  assert.equal(peers, first[1])
  assert.notEqual(clients, first[0])
  assert.notEqual(client, first[2])
})
