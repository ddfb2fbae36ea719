import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../../../src/config/config-error.ts'
import { loadSettings } from '../../../src/config/load-settings.ts'

interface Given {
  args?: string[]
  environment?: Record<string, string>
  file?: string
}

const load = ({ args = [], environment = {}, file = '' }: Given) =>
  loadSettings({ args, environment, readFile: (path) => (path === 'leasehold.yaml' ? file : assert.fail(path)) })

const text = (given: Given, name: string): string => load(given).settings.text(name)

for (const { name, args, flag, want } of [
  { name: 'two dashes and a space', args: ['--name', 'a'], flag: 'name', want: 'a' },
  { name: 'two dashes and =', args: ['--name=a'], flag: 'name', want: 'a' },
  { name: 'one dash', args: ['-name', 'a'], flag: 'name', want: 'a' },
  { name: 'one dash and =', args: ['-name=a=b'], flag: 'name', want: 'a=b' },
  { name: 'an empty value', args: ['--wal-dir='], flag: 'wal-dir', want: '' },
  { name: 'a value that begins with a dash', args: ['--name', '--wal-dir'], flag: 'name', want: '--wal-dir' },
  { name: 'a boolean alone', args: ['--client-cert-auth', '--name', 'a'], flag: 'client-cert-auth', want: 'true' },
  { name: 'a boolean with =', args: ['--pre-vote=false'], flag: 'pre-vote', want: 'false' },
  { name: '-h', args: ['-h'], flag: 'help', want: 'true' },
  { name: 'several lines', args: ['--name=a\nb'], flag: 'name', want: 'a\nb' },
])
  test(`arguments: ${name}`, () => assert.equal(text({ args }, flag), want))

for (const { args, message } of [
  { args: ['name'], message: '"name" is not a flag' },
  // etcd, too: a boolean does not take the next argument.
  { args: ['--pre-vote', 'false'], message: '"false" is not a flag' },
  { args: ['--'], message: '"--" is not a flag' },
  { args: ['---name'], message: '"---name" is not a flag' },
  { args: ['--nmae', 'a'], message: 'unknown flag --nmae' },
  { args: ['--name'], message: '--name: needs a value' },
])
  test(`arguments refused: ${args.join(' ')}`, () =>
    assert.throws(
      () => load({ args }),
      (error) => error instanceof ConfigError && error.message === message,
    ))

test('the command line wins over LEASEHOLD_, which wins over ETCD_, and a loser is reported', () => {
  const environment = { ETCD_NAME: 'e', LEASEHOLD_NAME: 'l', ETCD_DATA_DIR: 'd', PATH: '/bin' }
  assert.equal(text({ environment }, 'name'), 'l')
  assert.equal(text({ environment }, 'data-dir'), 'd')
  const { settings, warnings } = load({ environment, args: ['--name', 'a'] })
  assert.equal(settings.text('name'), 'a')
  assert.deepEqual(warnings, ['the flag --name overrides its environment variable'])
})

test('variables that name no flag are reported, empty ones are no settings', () => {
  const environment = {
    LEASEHOLD_NMAE: 'x',
    ETCD_HELP: 'true',
    ETCD_UNSUPPORTED_ARCH: 'arm64',
    ETCD_NAME: '',
    ETCDCTL_API: '3',
  }
  const { settings, warnings } = load({ environment })
  assert.deepEqual(warnings, [
    'environment variable LEASEHOLD_NMAE is not known',
    'environment variable ETCD_HELP is not known',
  ])
  assert.equal(settings.isSet('name'), false)
})

const file = `
name: filed
data-dir: /var/lib/leasehold
heartbeat-interval: 50
experimental-watch-progress-notify-interval: 5000000000
grpc-keepalive-min-time: 10s
pre-vote: false
cipher-suites: [A, B]
wal-dir:
client-transport-security:
  cert-file: c.pem
  key-file: k.pem
  client-cert-auth: true
  trusted-ca-file: ca.pem
peer-transport-security:
  cert-file: pc.pem
  allowed-cn: members
`

test('a configuration file replaces flags and variables, which are reported', () => {
  const { settings, warnings } = load({
    args: ['--config-file', 'leasehold.yaml', '--name', 'a'],
    environment: { ETCD_MAX_TXN_OPS: '7' },
    file,
  })
  assert.deepEqual(warnings, [
    '--name has no effect beside --config-file',
    '--max-txn-ops has no effect beside --config-file',
  ])
  const texts = {
    name: 'filed',
    'data-dir': '/var/lib/leasehold',
    'heartbeat-interval': '50',
    'experimental-watch-progress-notify-interval': '5000000000ns',
    'grpc-keepalive-min-time': '10s',
    'pre-vote': 'false',
    'cipher-suites': 'A,B',
    'cert-file': 'c.pem',
    'client-cert-auth': 'true',
    'trusted-ca-file': 'ca.pem',
    'peer-cert-file': 'pc.pem',
    'peer-cert-allowed-cn': 'members',
    'max-txn-ops': '128',
  }
  for (const [name, want] of Object.entries(texts)) assert.equal(settings.text(name), want, name)
  assert.equal(settings.durationMs('experimental-watch-progress-notify-interval'), 5000)
  assert.equal(settings.isSet('wal-dir'), false)
})

test('the configuration file can be named by a variable; an empty one is a file without settings', () => {
  const { settings } = load({ environment: { LEASEHOLD_CONFIG_FILE: 'leasehold.yaml' }, file: '# nothing\n' })
  assert.equal(settings.text('name'), 'default')
})

test('a text in the configuration file that looks like a number is kept as it is spelt', () => {
  const file = 'name: 007\ninitial-cluster-token: 1e3\ndata-dir: 0x10\nheartbeat-interval: 50\n'
  const { settings } = load({ args: ['--config-file=leasehold.yaml'], file })
  assert.equal(settings.text('name'), '007')
  assert.equal(settings.text('initial-cluster-token'), '1e3')
  assert.equal(settings.text('data-dir'), '0x10')
  assert.equal(settings.integer('heartbeat-interval', 1, 100), 50)
})

for (const { name, file, message } of [
  { name: 'an unknown key', file: 'client-cert-atuh: true', message: /unknown key client-cert-atuh/ },
  {
    name: 'an unknown key of a section',
    file: 'client-transport-security:\n  crl: x',
    message: /unknown key client-transport-security\.crl/,
  },
  { name: 'a key that makes no sense in a file', file: 'config-file: x', message: /unknown key config-file/ },
  { name: 'a key from the prototype', file: '__proto__: x', message: /unknown key __proto__/ },
  { name: 'a map for a text', file: 'name: {a: 1}', message: /name has a value of the wrong kind/ },
  { name: 'a list for a text', file: 'name: [a]', message: /wrong kind/ },
  { name: 'a list at the top', file: '- a', message: /not a list of keys/ },
  { name: 'a text for a section', file: 'peer-transport-security: yes', message: /peer-transport-security is not/ },
  { name: 'the same key twice', file: 'name: a\nname: b', message: /unique/i },
  {
    name: 'a key at the top and in a section',
    file: 'cert-file: a\nclient-transport-security: {cert-file: b}',
    message: /twice/,
  },
  { name: 'an alias of nothing', file: 'name: *a', message: /alias/ },
  { name: 'an unknown tag', file: 'name: !secret a', message: /tag/ },
  { name: 'a number at the top', file: '5', message: /not a list of keys/ },
  { name: 'no YAML', file: 'a: [', message: /./ },
])
  test(`configuration file refused: ${name}`, () =>
    assert.throws(
      () => load({ args: ['--config-file=leasehold.yaml'], file }),
      (error) => {
        assert.ok(error instanceof ConfigError, String(error))
        assert.match(error.message, message)
        assert.match(error.message, /^--config-file: [^\n]+$/)
        return true
      },
    ))
