/**
 * Every method for every kind of caller, over TLS. What to expect stands in test/support/access-table.ts; a method without a
 * row there fails.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { ScopeVerb } from '../../../src/auth/scope.ts'
import { silentLog } from '../../../src/base/log.ts'
import { tlsDefaults } from '../../../src/config/member-config.ts'
import { methodNames, methodPaths } from '../../../src/grpc/method.ts'
import { methodTable } from '../../../src/grpc/methods.ts'
import { createHealthService } from '../../../src/service/health.ts'
import { Login, type PasswordHasher } from '../../../src/service/login.ts'
import { NewPasswords } from '../../../src/service/new-passwords.ts'
import { createWatchService } from '../../../src/service/watch.ts'
import { accessRows, allPaths, furnish, titleOf, users } from '../../support/access-table.ts'
import { AccessTokens, thumbprintOf } from '../../support/access-tokens.ts'
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

const client = (identity: Identity, which: keyof typeof harnesses): RawClient =>
  RawClient.by(identity, harnesses[which]!.port)

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

type Add = (name: string, as: AccessCaller['as'], by: RawClient, token: string, scope?: readonly string[]) => void

/** Those who come with signed tokens. */
async function addSigned(
  add: Add,
  { unnamed, named, rootCertificate }: { unnamed: RawClient; named: RawClient; rootCertificate: Identity },
): Promise<void> {
  const write = (name: string, text: string): string => {
    const file = join(dir, name)
    writeFileSync(file, text, { mode: 0o600 })
    return file
  }
  tokens = await AccessTokens.of(member, write)
  await member.change(tokens.outsideGroup)
  const ofChanged = (await tokens.signed('changed')).token
  const ofEnded = (await tokens.signed('ended')).token
  await member.change(
    { $case: 'change_password', value: { name: 'changed', password_hash: 'again', now_ms: BigInt(Date.now()) } },
    { $case: 'revoke_user_tokens', value: { user: 'ended', now_ms: BigInt(Date.now()) } },
  )
  for (const user of users) add(`${user} by signed token`, user, unnamed, (await tokens.signed(user)).token)
  for (const verbs of scopes) {
    for (const user of ['root', 'right'] as const)
      add(
        `${user} by a token for ${verbs.join(' and ')}`,
        user,
        unnamed,
        (await tokens.signed(user, verbs)).token,
        verbs,
      )
  }
  // Elsewhere is as good as on no key.
  add('root by a token for another key', 'root', unnamed, await tokens.elsewhere('root'), [])
  const certificate = thumbprintOf(rootCertificate)
  add(
    'right by a token bound to its certificate',
    'right',
    named,
    (await tokens.signed('right', null, { certificate })).token,
  )
  add('right as one of a group', 'right', unnamed, tokens.outside())
  add('stranger of a group that nobody knows', 'stranger', unnamed, tokens.outside({ groups: ['other', 'root'] }))
  add('stranger of no group', 'stranger', unnamed, tokens.outside({ groups: [] }))
  for (const [what, token] of Object.entries({
    ...(await tokens.bad()),
    'signed, of an older password': ofChanged,
    'signed, of whoever had all ended': ofEnded,
  })) {
    add(`root by certificate and a token ${what}`, 'badToken', named, token)
  }
}

let tokens: AccessTokens
const scopes: readonly (readonly ScopeVerb[])[] = [
  ...(['read', 'write', 'lease', 'monitor', 'backup', 'operate', 'audit', 'admin'] as const).map((verb) => [verb]),
  ...([
    ['read', 'write'],
    ['lease', 'read'],
    ['lease', 'write'],
    ['monitor', 'operate'],
  ] as const),
  ['read', 'write', 'lease', 'monitor', 'backup', 'operate', 'audit', 'admin'],
]

before(async () => {
  await furnish(member, [addUser('changed'), addUser('anew'), addUser('ended')])
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
  const add = (
    name: string,
    as: AccessCaller['as'],
    by: RawClient,
    token: string | null,
    scope: readonly string[] | null = null,
  ): void => {
    callers.push({ name, as, scope, client: by, metadata: token === null ? {} : { token } })
  }
  add('nobody', 'nobody', unnamed, null)
  for (const user of users) {
    const token = await member.token(user)
    add(`${user} by token`, user, unnamed, token)
    add(`${user} by certificate`, user, user === 'root' ? named : client(issue(user), 'named'), null)
    if (user !== 'root') add(`${user} by token over the certificate of root`, user, named, token)
  }
  callers.push({
    ...{ name: 'right by bearer token', as: 'right', client: unnamed },
    metadata: { authorization: `Bearer ${await member.token('right')}` },
  })
  add('root by a token of nothing but that', 'badToken', unnamed, 'x')
  add('stranger by certificate', 'stranger', client(stranger, 'named'), null)
  for (const [what, token] of Object.entries({
    ...(await badTokens()),
    'of an older password': ofChanged,
    'of somebody deleted who was of that name': ofDeleted,
    'of before auth was off': ofBefore,
  })) {
    add(`root by certificate and a token ${what}`, 'badToken', named, token)
  }
  await addSigned(add, { unnamed, named, rootCertificate })
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
  tokens?.authority.close()
  for (const { client: one } of callers) one[Symbol.dispose]()
  watch.close()
  await harnesses.named?.[Symbol.asyncDispose]()
  await harnesses.unnamed?.[Symbol.asyncDispose]()
  rmSync(dir, { recursive: true })
})

test('every method has a row, and every row a method', () => {
  assert.deepEqual([...new Set(accessRows.map(({ path }) => path))].sort(), [...allPaths].sort())
})

describe('with auth on', () => {
  for (const row of accessRows)
    test(titleOf(row), async () => {
      // What root does here ends it for all.
      const isLast = row.path.endsWith('/AuthDisable')
      // Who is there as one of a group is no user, and has nothing of its own to look at.
      const isOfUsers = row.note === 'of oneself'
      const asked = callers.filter(
        ({ name, as }) => !(isLast && as === 'root') && !(isOfUsers && name.includes('group')),
      )
      assert.deepEqual(await surprisesOf(row, kinds.get(row.path)!, asked), [])
    })
})

describe('with auth off whoever gets through TLS may', () => {
  before(() => member.change(disable))
  for (const row of accessRows)
    test(titleOf(row), async () => {
      const kind = kinds.get(row.path)!
      // One of each kind. Root could switch it on.
      const oneOfEach = new Map(callers.map((caller) => [caller.as, caller]))
      for (const caller of [...oneOfEach.values()].filter(({ as }) => as !== 'root')) {
        const verdict = await verdictFor(row.path, kind, row.ask(`${caller.name} again`), caller)
        if (caller.as === 'shut out') assert.equal(verdict, noConnection, caller.name)
        else assert.doesNotMatch(verdict, / /, caller.name)
        if (row.path.endsWith('/AuthEnable')) await member.change(disable)
      }
    })
})
