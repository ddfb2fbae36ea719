import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { initAuthority, issueLeaf } from '../../../src/pki/index.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'leasehold-pki-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const init = (name = 'ca') => initAuthority({ dir: join(root, name), commonName: 'authority', validityDays: 100 })
const request = (name: string) => ({
  dir: join(root, 'ca'),
  profile: 'member',
  commonName: name,
  name,
  dnsNames: ['localhost'],
  ipAddresses: [],
  uris: [],
  outDir: join(root, 'out'),
})
const modeOf = (...path: string[]): number => statSync(join(root, ...path)).mode & 0o777

test('files are private, also under a generous umask', () => {
  const before = process.umask(0)
  try {
    init()
    issueLeaf(request('m1'))
  } finally {
    process.umask(before)
  }
  assert.equal(modeOf('ca'), 0o700)
  assert.equal(modeOf('out'), 0o700)
  for (const file of [
    'ca/ca-1.key',
    'ca/ca-1.crt',
    'ca/ca.crt',
    'ca/index.jsonl',
    'ca/lock',
    'out/m1.key',
    'out/m1.crt',
  ]) {
    assert.equal(modeOf(file), 0o600, file)
  }
  assert.deepEqual(readdirSync(join(root, 'out')).sort(), ['m1.crt', 'm1.key'])
})

test('every issued certificate is in the index, in order', () => {
  init()
  const issued = [issueLeaf(request('m1')), issueLeaf({ ...request('app'), profile: 'client', validityDays: 5 })]
  const index = readFileSync(join(root, 'ca', 'index.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ event }) => event === 'issued')
  assert.deepEqual(
    index.map(({ serial, subject, profile }) => ({ serial, subject, profile })),
    [
      { serial: issued[0]!.serial, subject: 'm1', profile: 'member' },
      { serial: issued[1]!.serial, subject: 'app', profile: 'client' },
    ],
  )
  const parsed = new X509Certificate(readFileSync(issued[1]!.certFile))
  assert.equal(parsed.validToDate.toISOString(), index[1].notAfter)
})

test('nothing is overwritten', () => {
  init()
  const keyFile = join(root, 'ca', 'ca-1.key')
  const key = readFileSync(keyFile)
  assert.throws(() => init(), {
    name: 'PkiError',
    message: /index\.jsonl: exists already; an authority is never overwritten/,
  })
  assert.deepEqual(readFileSync(keyFile), key)

  const leaf = issueLeaf(request('m1'))
  const certificate = readFileSync(leaf.certFile)
  assert.throws(() => issueLeaf(request('m1')), { name: 'PkiError', message: /m1\.crt: exists already/ })
  assert.deepEqual(readFileSync(leaf.certFile), certificate)
  const index = readFileSync(join(root, 'ca', 'index.jsonl'), 'utf8')
  assert.equal(index.split('\n').length, 3, 'a refused request leaves no trace in the index')
})

for (const { name, change, reason } of [
  {
    name: 'no authority',
    change: () => rmSync(join(root, 'ca'), { recursive: true }),
    reason: /ca: there is no such folder/,
  },
  {
    name: 'a readable key',
    change: () => chmodSync(join(root, 'ca/ca-1.key'), 0o640),
    reason: /ca-1\.key: private key is accessible to group or others \(mode 0640\)/,
  },
  {
    name: 'a damaged key',
    change: () => writeFileSync(join(root, 'ca/ca-1.key'), 'x'),
    reason: /key cannot be parsed/,
  },
  {
    name: 'a damaged certificate',
    change: () => writeFileSync(join(root, 'ca/ca-1.crt'), 'x'),
    reason: /ca-1\.crt: no certificate found in it/,
  },
]) {
  test(`an authority is not used: ${name}`, () => {
    init()
    change()
    assert.throws(() => issueLeaf(request('m1')), { name: 'PkiError', message: reason })
  })
}

test('an authority is not put into a folder that is open to others', () => {
  mkdirSync(join(root, 'open'))
  chmodSync(join(root, 'open'), 0o755)
  assert.throws(() => init('open'), {
    name: 'PkiError',
    message: /open: folder is accessible to group or others \(mode 0755\)/,
  })
  assert.deepEqual(readdirSync(join(root, 'open')), [])
})

for (const name of ['', '../m1', 'a/b', '.hidden', 'a b', 'x'.repeat(129)]) {
  test(`not a file name: ${JSON.stringify(name)}`, () => {
    init()
    assert.throws(() => issueLeaf(request(name)), { name: 'PkiError', message: /not a usable file name/ })
  })
}

test('an unknown profile is refused with the list of those there are', () => {
  init()
  assert.throws(() => issueLeaf({ ...request('m1'), profile: '__proto__' }), {
    name: 'PkiError',
    message: 'unknown profile __proto__: use one of member, client, operator, proxy',
  })
})

test('a folder that cannot be made is refused', () => {
  const initAt = (dir: string) => () => initAuthority({ dir, commonName: 'x', validityDays: 1 })
  assert.throws(initAt('/proc/leasehold/ca'), { message: '/proc/leasehold/ca: cannot create folder: ENOENT' })
  assert.throws(initAt('/dev/null'), { message: '/dev/null: is not a folder' })
})
