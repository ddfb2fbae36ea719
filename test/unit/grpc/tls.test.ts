import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type ConnectionOptions, connect } from 'node:tls'
import { type ChannelCredentials, credentials } from '@grpc/grpc-js'
import { tlsDefaults } from '../../../src/config/member-config.ts'
import { Code } from '../../../src/errors.ts'
import { type IssuedLeaf, initAuthority, issueLeaf } from '../../../src/pki/index.ts'
import { type Harness, RawClient, serve, tableOf } from '../../support/grpc-harness.ts'

const rangePath = '/etcdserverpb.KV/Range'
const dir = mkdtempSync(join(tmpdir(), 'grpc-tls-'))

function issueFrom(authority: string, profile: string, name: string): IssuedLeaf {
  return issueLeaf({
    dir: join(dir, authority),
    profile,
    commonName: name,
    name,
    outDir: join(dir, 'leaves'),
    dnsNames: profile === 'client' ? [] : ['localhost'],
    ipAddresses: profile === 'client' ? [] : ['127.0.0.1'],
    uris: [],
  })
}

let server: Harness
let client: IssuedLeaf
let stranger: IssuedLeaf
let ca: Buffer

before(async () => {
  for (const name of ['ours', 'others']) {
    initAuthority({ dir: join(dir, name), commonName: name, validityDays: 2 })
  }
  const leaf = issueFrom('ours', 'member', 'server')
  client = issueFrom('ours', 'client', 'client')
  stranger = issueFrom('others', 'client', 'stranger')
  ca = readFileSync(leaf.caFile)
  server = await serve(tableOf({ [rangePath]: { kind: 'unary', handler: (_member, request) => request } }), {
    listenUrls: [new URL('https://127.0.0.1:0')],
    tls: {
      ...tlsDefaults,
      certFile: leaf.certFile,
      keyFile: leaf.keyFile,
      trustedCaFile: leaf.caFile,
      clientCertAuth: true,
    },
  })
})

after(async () => {
  await server.transport.close(0)
  rmSync(dir, { recursive: true, force: true })
})

const identityOf = (leaf: IssuedLeaf) => ({ key: readFileSync(leaf.keyFile), cert: readFileSync(leaf.certFile) })

/** Node takes no IP address as a TLS server name. */
const secureClient = (creds: ChannelCredentials): RawClient =>
  new RawClient(server.port, creds, { 'grpc.ssl_target_name_override': 'localhost' })

async function secureSocket(options: ConnectionOptions) {
  const socket = connect({ host: '127.0.0.1', port: server.port, ca, ...identityOf(client), ...options })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return socket
}

async function assertServes(): Promise<void> {
  const { key, cert } = identityOf(client)
  using raw = secureClient(credentials.createSsl(ca, key, cert))
  assert.equal(String(await raw.unary(rangePath, Buffer.from('alive'))), 'alive')
}

test('a client with a certificate of the authority is served', assertServes)

test('a client without a certificate, or with one of another authority, is not', async () => {
  const { key, cert } = identityOf(stranger)
  for (const creds of [credentials.createSsl(ca), credentials.createSsl(ca, key, cert)]) {
    using raw = secureClient(creds)
    assert.equal((await raw.refusal(rangePath, Buffer.from('a'))).code, Code.Unavailable)
  }
  await assertServes()
})

for (const alpn of [['http/1.1'], []]) {
  test(`an HTTP/1 client is handed over, ALPN: ${alpn.join() || 'none'}`, async () => {
    const socket = await secureSocket(alpn.length > 0 ? { ALPNProtocols: alpn } : {})
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(socket, 'close')
    assert.match(Buffer.concat(chunks).toString('latin1'), /^GET \/ HTTP\/1\.1/)
  })
}

for (const { name, alpn, bytes } of [
  { name: 'HTTP/2 that was not agreed on', alpn: [], bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' },
  { name: 'garbage where HTTP/2 was agreed on', alpn: ['h2'], bytes: 'garbage '.repeat(20) },
]) {
  test(`cut off: ${name}`, async () => {
    const socket = await secureSocket(alpn.length > 0 ? { ALPNProtocols: alpn } : {})
    socket.resume()
    socket.write(bytes)
    await once(socket, 'close')
    await assertServes()
  })
}

test('cut off: bytes that are no TLS', async () => {
  const socket = connectTcp(server.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.resume()
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  await once(socket, 'close')
  await assertServes()
})
