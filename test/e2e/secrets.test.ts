/**
 * No password and no token is anywhere but with who showed it: not in a file that a member writes, nor in what it logs, nor in
 * an answer of any HTTP path, nor in an error (CVE-2021-28235, TOB-012).
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { TokenIssueRequest, TokenIssueResponse, TokenRevokeRequest } from '../../src/wire/gen/leasehold.ts'
import { AuthenticateRequest, AuthUserAddRequest } from '../../src/wire/gen/rpc.ts'
import { AuthClient } from '../support/auth-client.ts'
import { TestCluster } from '../support/cluster.ts'
import { ask } from '../support/http1.ts'
import type { TestMember } from '../support/member.ts'
import { makeKey, pemOf } from '../support/token-keys.ts'

/** All that is served, and what etcd, or a library of Go's, would serve beside it. */
const httpPaths = [
  ...[
    '/metrics',
    '/health',
    '/health?serializable=true',
    '/version',
    '/livez',
    '/livez?verbose',
    '/readyz?verbose',
    '/',
  ],
  ...['/debug/requests', '/debug/events', '/debug/vars', '/debug/pprof/', '/debug/pprof/heap', '/config/local/log'],
  ...['/v3/auth/authenticate', '/v2/keys/', '/members', '/raft', '/leases', '/audit', '/tokens'],
]

const password = 'a-password-that-is-in-no-file-7391'
const changed = 'the-password-after-it-8264'
const wrong = 'a-wrong-password-5520'
const short = 'Zq7'
const long = `${'a-password-that-is-too-long-1187/'.repeat(3)}`
const forged = 'QWERTYUIOPASDFGH.1'
const forgedJwt = `eyJhbGciOiJub25lIn0.${Buffer.from('{"sub":"root","n":"forged-9934"}').toString('base64url')}.forgedSignature-4412`

test('passwords and tokens are in no file, no log, no answer over HTTP and no error', {
  timeout: 110_000,
}, async () => {
  const files = await TestCluster.create({ size: 1 })
  await using _files = files
  const key = await makeKey()
  const keyFile = join(files.dir, 'signing.pem')
  writeFileSync(keyFile, pemOf(key), { mode: 0o600 })
  await using cluster = await TestCluster.start({
    size: 1,
    flags: [
      ...['--log-level=debug', '--metrics=extensive', '--enable-grpc-reflection', '--audit=required'],
      ...[`--token-signing-key-file=${keyFile}`, '--auth-password-min-length=8'],
    ],
  })
  const [member] = cluster.members as [TestMember]
  const tokens: string[] = []
  const errors: string[] = []
  const fails = async (work: Promise<unknown>): Promise<void> => {
    errors.push(
      await work.then(
        () => assert.fail('it should have been refused'),
        (error: Error) => JSON.stringify([error.message, error]),
      ),
    )
  }
  {
    using root = AuthClient.of(cluster, member)
    await root.addUser('root', password)
    await root.addUser('client', '')
    for (const user of ['root', 'client']) await root.grantRole(user, 'root')
    await fails(root.addUser('shortened', short))
    await fails(root.addUser('lengthened', long))
    await fails(root.addUser('root', password))
    await root.enable()

    const simple = await root.token('root', password)
    tokens.push(simple)
    const byToken = root.with(simple)
    await byToken.put('k', 'v')
    const issued = TokenIssueResponse.decode(
      await byToken.call(
        '/leasehold.v1.Tokens/Issue',
        TokenIssueRequest.encode(TokenIssueRequest.decode(new Uint8Array(0))).finish(),
      ),
    )
    tokens.push(issued.token)
    const bySigned = root.with(issued.token)
    await bySigned.put('k', 'w')
    await fails(root.token('root', wrong))
    await fails(root.token('nobody-of-this-name', password))
    await fails(root.with(forged).put('k'))
    await fails(root.with(forgedJwt).put('k'))
    await fails(root.with(`${issued.token}x`).put('k'))
    await root.changePassword('root', changed)
    await fails(byToken.put('k'))
    tokens.push(await root.token('root', changed))
    // Messages that cannot be read, with a password in them.
    for (const whole of [
      AuthenticateRequest.encode({ name: 'root', password: changed }).finish(),
      AuthUserAddRequest.encode({ name: 'x', password, options: undefined, hashedPassword: '' }).finish(),
    ]) {
      const broken = Buffer.concat([whole, Buffer.of(0x12, 0x7f, 0x41)])
      await fails(root.call('/etcdserverpb.Auth/Authenticate', broken))
      await fails(root.call('/etcdserverpb.Auth/UserAdd', broken))
      await fails(root.call('/etcdserverpb.Auth/Nothing', whole))
    }
    await bySigned
      .call(
        '/leasehold.v1.Tokens/Revoke',
        TokenRevokeRequest.encode({ ...TokenRevokeRequest.decode(new Uint8Array(0)), id: issued.id }).finish(),
      )
      .catch(() => {})
  }
  const answers: string[] = []
  const headers = { Authorization: `Bearer ${tokens[2]}`, Cookie: `token=${tokens[1]}` }
  for (const path of httpPaths) {
    for (const method of ['GET', 'POST', 'TRACE']) {
      const body = method === 'POST' ? JSON.stringify({ name: 'root', password: changed }) : ''
      const { headers: answered, body: text } = await ask(`${member.clientUrl}${path}`, cluster.certificates.client, {
        method,
        headers,
        body,
      })
      answers.push(JSON.stringify(answered), text)
    }
  }
  // What was on its way to the disk, and what a clean stop writes.
  await member.kill()
  member.start()
  await cluster.waitUntilServing()
  {
    using root = AuthClient.of(cluster, member)
    tokens.push(await root.token('root', changed))
  }
  await member.terminate()

  const written = readdirSync(cluster.dir, { recursive: true, encoding: 'utf8' })
    .map((name) => join(cluster.dir, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => ({ where: path, text: readFileSync(path) }))
  assert.ok(written.some(({ where }) => where.includes('wal')))
  assert.ok(written.some(({ where }) => where.includes('audit')))
  const places = [
    ...written,
    { where: 'the log', text: Buffer.from(member.log) },
    { where: 'HTTP', text: Buffer.from(answers.join('\n')) },
    { where: 'errors', text: Buffer.from(errors.join('\n')) },
  ]
  assert.ok(places.at(-3)!.text.length > 1000 && places.at(-2)!.text.length > 1000 && errors.length > 10)
  // Of a simple token the letters, of a signed one the signature: without it the rest is good for nothing.
  const kept = tokens.map((token) => (token.startsWith('ey') ? token.split('.')[2]! : token.slice(0, 16)))
  const secrets = [password, changed, wrong, long, forged.slice(0, 16), 'forgedSignature-4412', ...kept]
  for (const secret of secrets) {
    assert.ok(secret.length >= 16)
    const forms = [
      secret,
      Buffer.from(secret).toString('base64').replace(/=+$/, ''),
      Buffer.from(secret).toString('hex'),
    ]
    for (const form of forms)
      for (const { where, text } of places) assert.equal(text.includes(form), false, `${secret} in ${where}`)
  }
  assert.doesNotMatch(member.log, new RegExp(`\\b${short}\\b`))
  assert.match(member.log, /a password has at least 8 characters/)
})
