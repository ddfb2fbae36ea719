/** Which user a client's certificate names, over TLS. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { credentials } from '@grpc/grpc-js'
import { tlsDefaults } from '../../../src/config/member-config.ts'
import type { CertificateIdentity } from '../../../src/security/client-name.ts'
import { type Harness, RawClient, serve, tableOf } from '../../support/grpc-harness.ts'
import { TestPki } from '../../support/test-pki.ts'

const path = '/etcdserverpb.Maintenance/Status'
const table = tableOf({
  [path]: {
    kind: 'unary',
    handler: (_member, _request, { credentials }) => {
      assert.ok(credentials !== 'member')
      return Buffer.from(JSON.stringify(credentials.certificateName))
    },
  },
})

let dir: string
let pki: TestPki
const servers = new Map<CertificateIdentity | 'none', Harness>()

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'client-identity-'))
  pki = new TestPki(dir)
  const { certFile, keyFile } = pki.issue({ of: 'clients', name: 'server' })
  const tls = { ...tlsDefaults, certFile, keyFile, trustedCaFile: pki.caFile('clients'), clientCertAuth: true }
  const options = { tls, listenUrls: [new URL('https://127.0.0.1:0')] }
  for (const identity of ['common-name', 'uri'] as const) {
    servers.set(identity, await serve(table, { ...options, clientCertAuth: true, clientCertIdentity: identity }))
  }
  servers.set('none', await serve(table, { ...options, clientCertIdentity: 'uri' }))
})
after(async () => {
  for (const server of servers.values()) await server[Symbol.asyncDispose]()
  rmSync(dir, { recursive: true })
})

const spiffe = 'spiffe://example.org/ns/shop/sa/orders'
for (const [n, { what, uris, byUri }] of [
  { what: 'no URI', uris: [], byUri: null },
  { what: 'a URI', uris: [spiffe], byUri: spiffe },
  { what: 'several URIs', uris: [spiffe, 'spiffe://example.org/other'], byUri: null },
  { what: 'the same URI in capitals', uris: [spiffe.toUpperCase()], byUri: spiffe.toUpperCase() },
].entries())
  test(`a certificate with ${what} names ${byUri ?? 'nobody'} by URI, and its common name otherwise`, async () => {
    const { certFile, keyFile, caFile } = {
      ...pki.issue({ of: 'clients', name: `client-${n}`, commonName: 'root', profile: 'client', uris }),
      caFile: pki.caFile('clients'),
    }
    const tls = credentials.createSsl(readFileSync(caFile), readFileSync(keyFile), readFileSync(certFile))
    const named = async (identity: CertificateIdentity | 'none'): Promise<unknown> => {
      using client = new RawClient(servers.get(identity)!.port, tls, { 'grpc.ssl_target_name_override': 'localhost' })
      return JSON.parse(String(await client.unary(path, Buffer.alloc(0))))
    }
    assert.equal(await named('common-name'), 'root')
    assert.equal(await named('uri'), byUri)
    assert.equal(await named('none'), null)
  })
