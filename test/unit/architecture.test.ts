import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const src = fileURLToPath(new URL('../../src', import.meta.url))

/** What each folder (or file) of src may import, beside itself. Read from the top: nothing imports what is below it. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  base: [],
  'errors.ts': [],
  files: [],
  wire: ['base', 'errors.ts'],
  // Pure cores.
  raft: ['base'],
  mvcc: ['base', 'errors.ts', 'wire', 'raft'],
  lease: ['base', 'errors.ts', 'mvcc'],
  auth: ['base', 'errors.ts', 'wire', 'mvcc'],
  apply: ['base', 'errors.ts', 'wire', 'raft', 'mvcc', 'lease', 'auth'],
  audit: ['base', 'files', 'errors.ts', 'wire', 'mvcc', 'auth'],
  policy: ['base', 'wire', 'mvcc', 'auth'],
  // Engine.
  replica: ['base', 'errors.ts', 'wire', 'raft', 'mvcc', 'lease', 'auth', 'apply', 'service', 'threads'],
  service: ['base', 'errors.ts', 'wire', 'raft', 'mvcc', 'lease', 'auth', 'apply', 'audit', 'replica'],
  // Adapters.
  config: ['base'],
  logging: ['base'],
  storage: ['base', 'files', 'wire', 'raft', 'mvcc', 'replica'],
  x509: ['base'],
  security: ['base', 'files', 'config', 'x509'],
  tokens: ['base', 'files', 'auth', 'config', 'security'],
  peer: ['base', 'errors.ts', 'wire', 'raft', 'replica', 'config', 'x509', 'security'],
  grpc: ['base', 'errors.ts', 'wire', 'auth', 'audit', 'service', 'config', 'security', 'tokens'],
  http: ['base', 'mvcc', 'service', 'security'],
  threads: [
    ...['base', 'errors.ts', 'wire', 'mvcc', 'auth', 'apply', 'audit', 'service', 'replica'],
    ...['files', 'config', 'logging', 'storage', 'security', 'grpc', 'http'],
  ],
  metrics: ['base', 'errors.ts', 'audit', 'service', 'replica', 'security', 'grpc', 'http', 'threads'],
  pki: ['base', 'files', 'x509'],
  'own-certificates.ts': ['base', 'config', 'pki'],
  'node.ts': [
    ...['base', 'errors.ts', 'wire', 'raft', 'mvcc', 'lease', 'auth', 'apply', 'replica', 'service'],
    ...['config', 'logging', 'storage', 'security', 'tokens', 'peer', 'grpc', 'http', 'threads'],
    ...['audit', 'metrics', 'own-certificates.ts'],
  ],
  cli: [
    'audit',
    'base',
    'files',
    'errors.ts',
    'wire',
    'auth',
    'config',
    'tokens',
    'logging',
    'x509',
    'policy',
    'pki',
    'node.ts',
  ],
}

/**
 * Types that are shared the other way round: the seam between a core and its driver is owned by who consumes it.
 * Such an import must be a type only, so that it is gone at run time.
 */
const typeOnly: Readonly<Record<string, readonly string[]>> = {
  mvcc: ['apply'],
  replica: ['service', 'threads'],
  tokens: ['service'],
}

const pureCores = ['base', 'raft', 'mvcc', 'lease', 'auth', 'apply', 'wire']

interface Import {
  readonly from: string
  readonly to: string
  readonly isType: boolean
}

const partOf = (path: string): string => path.split('/')[0]!

const files = globSync('**/*.ts', { cwd: src }).filter((path) => !path.startsWith('wire/gen/'))

function importsOf(path: string): Import[] {
  const text = readFileSync(join(src, path), 'utf8')
  const statements = text.matchAll(/^(?:import|export)\s(type\s)?(?:[^'"]*?from\s)?'([^']+)'|import\('([^']+)'\)/gm)
  return [...statements].map(([, type, from, dynamic]) => ({
    from: path,
    to: from ?? dynamic!,
    isType: type !== undefined,
  }))
}

const allImports = files.flatMap(importsOf)
const isRelative = ({ to }: Import): boolean => to.startsWith('.')
const targetOf = ({ from, to }: Import): string => normalize(join(dirname(from), to))

test('there is something to check', () => {
  assert.ok(files.length > 50)
  assert.ok(allImports.filter(isRelative).length > files.length)
})

test('every part of src has its place', () => {
  const parts = new Set(files.map(partOf))
  assert.deepEqual(
    [...parts].filter((part) => !Object.hasOwn(mayImport, part)),
    [],
  )
})

test('imports point one way', () => {
  const wrong = allImports.filter(isRelative).filter((each) => {
    const from = partOf(each.from)
    const to = partOf(targetOf(each))
    if (from === to || mayImport[from]?.includes(to)) return false
    return !(each.isType && typeOnly[from]?.includes(to))
  })
  assert.deepEqual(
    wrong.map(({ from, to }) => `${from} imports ${to}`),
    [],
  )
})

test('relative imports carry .ts and exist', () => {
  const missing = allImports
    .filter(isRelative)
    .filter((each) => !files.includes(targetOf(each)) && !targetOf(each).startsWith('wire/gen/'))
  assert.deepEqual(
    missing.map(({ from, to }) => `${from} imports ${to}`),
    [],
  )
})

/** A hash is a function of its input like any other. */
const pureImports = new Set(['mvcc/key-encoding.ts imports node:crypto'])

test('pure cores import nothing of Node and no library', () => {
  const impure = allImports
    .filter((each) => pureCores.includes(partOf(each.from)) && !isRelative(each))
    .filter(({ from, to }) => !pureImports.has(`${from} imports ${to}`))
  assert.deepEqual(
    impure.map(({ from, to }) => `${from} imports ${to}`),
    [],
  )
})

const impurities =
  /\bDate\b|\bMath\.random\b|\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|\bawait\b|\basync\b|\bprocess\.|\bconsole\./

test('pure cores have no clock, no randomness and no waiting', () => {
  const impure = files
    .filter((path) => pureCores.includes(partOf(path)))
    .flatMap((path) =>
      readFileSync(join(src, path), 'utf8')
        .replace(/\/\*[\s\S]*?\*\/|\/\/.*|'(?:[^'\\\n]|\\.)*'/g, '')
        .split('\n')
        .filter((line) => impurities.test(line))
        .map((line) => `${path}: ${line.trim()}`),
    )
  assert.deepEqual(impure, [])
})

test('only cli and config read the command line and the environment', () => {
  const readers = files
    .filter((path) => !['cli', 'config'].includes(partOf(path)))
    .filter((path) => /\bprocess\.(?:env|argv)\b/.test(readFileSync(join(src, path), 'utf8')))
  assert.deepEqual(readers, [])
})

for (const [library, parts] of Object.entries({
  lmdb: ['storage'],
  '@grpc/grpc-js': ['cli'],
  jose: ['security', 'tokens'],
  bcryptjs: ['security'],
  'node-forge': ['pki'],
  pino: ['logging'],
  'prom-client': ['metrics'],
  commander: ['cli'],
  yaml: ['config', 'pki', 'policy', 'audit'],
  zod: ['config', 'pki', 'policy', 'cli', 'audit'],
}))
  test(`${library} is used by ${parts.join(' and ')} only`, () => {
    const users = allImports.filter(({ to }) => to === library).map(({ from }) => partOf(from))
    assert.deepEqual(
      [...new Set(users)].filter((part) => !parts.includes(part)),
      [],
    )
  })

test('the dependencies of package.json are those that are imported', () => {
  const manifest = JSON.parse(readFileSync(join(src, '..', 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const generated = globSync('wire/gen/*.ts', { cwd: src }).flatMap(importsOf)
  const libraries = [...allImports, ...generated]
    .filter((each) => !isRelative(each) && !each.to.startsWith('node:'))
    .map(({ to }) =>
      to
        .split('/')
        .slice(0, to.startsWith('@') ? 2 : 1)
        .join('/'),
    )
  const undeclared = [...new Set(libraries)].filter((name) => !Object.hasOwn(manifest.dependencies, name))
  assert.deepEqual(undeclared, [])
})

/** What no client asked for: a token that is in use gets more time. */
const ownProposals = ['service/known-tokens.ts', 'service/respond.ts']

test('what clients ask to be changed is proposed by way of the audit trail', () => {
  const proposers = files
    .filter((path) => ['service', 'grpc', 'http'].includes(partOf(path)))
    .filter((path) => /\.propose\(/.test(readFileSync(join(src, path), 'utf8')))
  assert.deepEqual(proposers, ownProposals)
})
