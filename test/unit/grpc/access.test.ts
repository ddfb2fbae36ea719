/**
 * Every method for every kind of caller, over TLS. What to expect stands in test/support/access-table.ts; a method without a
 * row there fails.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { credentials } from '@grpc/grpc-js'
import { silentLog } from '../../../src/base/log.ts'
import { tlsDefaults } from '../../../src/config/member-config.ts'
import { methodNames, methodPaths } from '../../../src/grpc/method.ts'
import { methodTable } from '../../../src/grpc/methods.ts'
import { createHealthService } from '../../../src/service/health.ts'
import { Login, type PasswordHasher } from '../../../src/service/login.ts'
import { NewPasswords } from '../../../src/service/new-passwords.ts'
import { createWatchService } from '../../../src/service/watch.ts'
import { accessRows, allPaths, furnish, users } from '../../support/access-table.ts'
import { type AccessCaller, noConnection, surprisesOf, verdictFor } from '../../support/access-verdict.ts'
import { AuthMember } from '../../support/auth-member.ts'
import { addUser, disable, enable } from '../../support/auth-tables.ts'
import type { Identity } from '../../support/certificates.ts'
import { type Harness, RawClient, serve } from '../../support/grpc-harness.ts'
import { TestPki } from '../../support/test-pki.ts'

/** Nobody has to wait for a hash: these passwords are their own. */
const plainPasswords: PasswordHasher = {
  isBusy: false,
  hash: async (password) => password,
  matches: async (password, hash) => password === hash,
}

const dir = mkdtempSync(join(tmpdir(), 'leasehold-access-'))
const pki = new TestPki(dir)
const member = new AuthMember()
const watch = createWatchService(member, { log: silentLog })
const table = methodTable({
  watch,
  health: createHealthService(member, Object.keys(methodNames)),
  login: new Login(plainPasswords, silentLog),
  passwords: new NewPasswords(plainPasswords, 1, silentLog),
  reflection: true,
})
const kinds = new Map([...methodPaths(table)].map(([path, { kind }]) => [path.slice(1), kind]))

/** Where certificates say who users are, and where only tokens do. */
const harnesses: Record<'named' | 'unnamed', Harness | null> = { named: null, unnamed: null }
const callers: AccessCaller[] = []

function client(identity: Identity, which: keyof typeof harnesses): RawClient {
  const { caFile, certFile, keyFile } = identity
  const tls = credentials.createSsl(readFileSync(caFile), readFileSync(keyFile), readFileSync(certFile))
  return new RawClient(harnesses[which]!.port, tls, { 'grpc.ssl_target_name_override': 'localhost' })
}

const issue = (name: string, more: Partial<Parameters<TestPki['issue']>[0]> = {}): Identity => ({
  ...pki.issue({ of: 'clients', name, profile: 'client', ...more }),
  caFile: pki.caFile('clients'),
})

/** Tokens of root's that are not good, by what is wrong with them. */
async function badTokens(): Promise<Record<string, string>> {
  const good = await member.token('root')
  const [letters = '', index = ''] = good.split('.')
  return {
    'that has expired': await member.token('root', -1),
    'that is not root’s by one letter': `${letters.slice(0, 15)}${letters[15] === 'a' ? 'b' : 'a'}.${index}`,
    'of another index': `${letters}.1`,
    'without an index': letters,
    'that is unsigned': 'eyJhbGciOiJub25lIn0.eyJ1c2VybmFtZSI6InJvb3QifQ.',
    'of dots': '.'.repeat(10_000),
    'of nothing': '',
  }
}

before(async () => {
  await furnish(member, [addUser('changed'), addUser('anew')])
  const ofChanged = await member.token('changed')
  const ofDeleted = await member.token('anew')
  const ofBefore = await member.token('root')
  await member.change(
    { $case: 'change_password', value: { name: 'changed', password_hash: 'other', now_ms: 1n } },
    { $case: 'delete_user', value: { name: 'anew' } },
    addUser('anew'),
    disable,
    enable,
  )
  const server = pki.issue({ of: 'clients', name: 'server' })
  const revoked = issue('revoked', { commonName: 'root' })
  pki.revoke('clients', revoked)
  const tls = {
    ...tlsDefaults,
    certFile: server.certFile,
    keyFile: server.keyFile,
    trustedCaFile: server.caFile,
    crlFile: pki.crlFile('clients'),
    clientCertAuth: true,
  }
  const options = { member, tls, listenUrls: [new URL('https://127.0.0.1:0')] }
  harnesses.named = await serve(table, { ...options, clientCertAuth: true })
  harnesses.unnamed = await serve(table, options)

  const stranger = issue('stranger')
  const rootCertificate = issue('root')
  const unnamed = client(rootCertificate, 'unnamed')
  const named = client(rootCertificate, 'named')
  const add = (name: string, as: AccessCaller['as'], by: RawClient, token: string | null): void => {
    callers.push({ name, as, client: by, metadata: token === null ? {} : { token } })
  }
  add('nobody', 'nobody', unnamed, null)
  for (const user of users) {
    const token = await member.token(user)
    add(`${user} by token`, user, unnamed, token)
    callers.push({
      ...{ name: `${user} by bearer token`, as: user, client: unnamed },
      metadata: { authorization: `Bearer ${token}` },
    })
    add(`${user} by certificate`, user, user === 'root' ? named : client(issue(user), 'named'), null)
    if (user !== 'root') add(`${user} by token over the certificate of root`, user, named, token)
  }
  add('stranger by certificate', 'stranger', client(stranger, 'named'), null)
  for (const [what, token] of Object.entries({
    ...(await badTokens()),
    'of an older password': ofChanged,
    'of somebody deleted who was of that name': ofDeleted,
    'of before auth was off': ofBefore,
  })) {
    add(`root by a token ${what}`, 'badToken', unnamed, token)
    add(`root by certificate and a token ${what}`, 'badToken', named, token)
  }
  for (const [what, identity] of Object.entries({
    'of another authority': issue('foreign', { of: 'strangers', commonName: 'root' }),
    'that has expired': issue('expired', { ageDays: 40, commonName: 'root' }),
    'that is not valid yet': issue('early', { ageDays: -5, commonName: 'root' }),
    'that is revoked': revoked,
    'for servers only': issue('server-only', { usage: ['serverAuth'], commonName: 'root' }),
  }))
    add(`root by a certificate ${what}`, 'shut out', client(identity, 'named'), await member.token('root'))
})

after(async () => {
  for (const { client: one } of callers) one[Symbol.dispose]()
  watch.close()
  await harnesses.named?.[Symbol.asyncDispose]()
  await harnesses.unnamed?.[Symbol.asyncDispose]()
  rmSync(dir, { recursive: true })
})

test('every method has a row, and every row a method', () => {
  assert.deepEqual([...new Set(accessRows.map(({ path }) => path))].sort(), [...allPaths].sort())
})

const titleOf = ({ path, note }: (typeof accessRows)[number]): string =>
  `${path}${note === undefined ? '' : `, ${note}`}`

describe('with auth on', () => {
  for (const row of accessRows)
    test(titleOf(row), async () => {
      // What root does here ends it for all.
      const asked = row.path.endsWith('/AuthDisable') ? callers.filter(({ as }) => as !== 'root') : callers
      assert.deepEqual(await surprisesOf(row, kinds.get(row.path)!, asked), [])
    })
})

describe('with auth off whoever gets through TLS may', () => {
  before(() => member.change(disable))
  for (const row of accessRows)
    test(titleOf(row), async () => {
      const kind = kinds.get(row.path)!
      for (const caller of callers) {
        const verdict = await verdictFor(row.path, kind, row.ask(`${caller.name} again`), caller)
        if (caller.as === 'shut out') assert.equal(verdict, noConnection, caller.name)
        else assert.doesNotMatch(verdict, / /, caller.name)
        if (row.path.endsWith('/AuthEnable')) await member.change(disable)
      }
    })
})
