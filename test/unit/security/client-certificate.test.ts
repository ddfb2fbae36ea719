import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect, createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { certificateOfPeer } from '../../../src/security/client-certificate.ts'
import type { Identity } from '../../support/certificates.ts'
import { TestPki } from '../../support/test-pki.ts'

const dir = mkdtempSync(join(tmpdir(), 'leasehold-client-certificate-'))
after(() => rmSync(dir, { recursive: true }))
const pki = new TestPki(dir)
const server = pki.issue({ of: 'clients', name: 'server' })
const ann = pki.issue({ of: 'clients', name: 'ann', profile: 'client' })
const stranger = pki.issue({ of: 'strangers', name: 'eve', profile: 'client' })
const keysOf = ({ certFile, keyFile }: Identity) => ({ cert: readFileSync(certFile), key: readFileSync(keyFile) })

async function seen(client: Identity | null) {
  const ca = readFileSync(server.caFile)
  const listener = createTlsServer({ ...keysOf(server), ca, requestCert: true, rejectUnauthorized: false })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  const accepted = once(listener, 'secureConnection')
  const socket = connect({ port, host: 'localhost', ca, ...(client === null ? {} : keysOf(client)) })
  try {
    const [side] = (await accepted) as [TLSSocket]
    const certificate = certificateOfPeer(side)
    side.destroy()
    return certificate
  } finally {
    socket.destroy()
    listener.close()
  }
}

test('a certificate of a trusted authority, and when it ends', async () => {
  const { raw, validTo } = new X509Certificate(readFileSync(ann.certFile))
  const sha256 = createHash('sha256').update(raw).digest('base64url')
  assert.deepEqual(await seen(ann), { sha256, expiresMs: Date.parse(validTo) })
})

test('no certificate, one of another authority, and a connection without TLS', async () => {
  assert.deepEqual([await seen(null), await seen(stranger)], [null, null])
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const accepted = once(listener, 'connection')
  const socket = createConnection((listener.address() as AddressInfo).port, '127.0.0.1')
  const [side] = (await accepted) as [Socket]
  assert.equal(certificateOfPeer(side), null)
  side.destroy()
  socket.destroy()
  listener.close()
})
