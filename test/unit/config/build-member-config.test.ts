import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readArguments } from '../../../src/config/arguments.ts'
import { buildMemberConfig } from '../../../src/config/build-member-config.ts'
import { ConfigError } from '../../../src/config/config-error.ts'
import { flagsByName } from '../../../src/config/flag-table.ts'
import type { MemberConfig } from '../../../src/config/member-config.ts'
import { tlsDefaults } from '../../../src/config/member-config.ts'
import { Settings } from '../../../src/config/settings.ts'

const build = (commandLine: string, cores = 4): MemberConfig =>
  buildMemberConfig(new Settings([readArguments(commandLine.split(' ').filter(Boolean))]), { cwd: '/srv', cores })

const tls = '--cert-file c.pem --key-file k.pem --trusted-ca-file ca.pem --client-cert-auth'
const httpsClients = '--listen-client-urls https://127.0.0.1:2379 --advertise-client-urls https://127.0.0.1:2379'
const peerTls = '--peer-cert-file c.pem --peer-key-file k.pem'

test('without flags a member is what etcd makes of none', () => {
  const { listenClientUrls, listenPeerUrls, listenMetricsUrls, ...rest } = build('')
  assert.deepEqual(listenClientUrls.map(String), ['http://localhost:2379/'])
  assert.deepEqual(listenPeerUrls.map(String), ['http://localhost:2380/'])
  assert.deepEqual(listenMetricsUrls, [])
  assert.deepEqual(rest, {
    name: 'default',
    dataDir: '/srv/default.etcd',
    walDir: null,
    advertiseClientUrls: ['http://localhost:2379'],
    initialAdvertisePeerUrls: ['http://localhost:2380'],
    initialCluster: new Map([['default', ['http://localhost:2380']]]),
    initialClusterState: 'new',
    initialClusterToken: 'etcd-cluster',
    clientTls: null,
    peerTls: null,
    selfSignedYears: 1,
    pkiDirs: [],
    pkiPassphraseFile: null,
    peerSkipClientSanVerification: false,
    heartbeatIntervalMs: 100,
    electionTimeoutMs: 1000,
    preVote: true,
    snapshotCount: 100000,
    compactionBatchLimit: 1000,
    compactionPauseMs: 10,
    maxTxnOps: 128,
    maxRequestBytes: 1572864,
    maxConcurrentStreams: 4294967295,
    grpcKeepaliveMinTimeMs: 5000,
    grpcKeepaliveIntervalMs: 7200000,
    grpcKeepaliveTimeoutMs: 20000,
    enableGrpcReflection: false,
    watchProgressIntervalMs: 600_000,
    clientCertIdentity: 'common-name',
    authToken: { kind: 'simple' },
    tokens: { own: null, outside: null },
    authTokenTtlSeconds: 300,
    bcryptCost: 10,
    authPasswordLengthMin: 1,
    audit: null,
    leaseCheckpoints: false,
    serveThreads: 3,
    metrics: 'basic',
    logLevel: 'info',
    reportedVersion: '3.5.30',
  })
})

test('lease checkpoints are switched on by one flag, which the other needs, as in etcd', () => {
  const flag = '--experimental-enable-lease-checkpoint'
  assert.equal(build(flag).leaseCheckpoints, true)
  assert.equal(build(`${flag} ${flag}-persist`).leaseCheckpoints, true)
  assert.throws(() => build(`${flag}-persist`), { message: `${flag}-persist: needs ${flag}` })
})

test('a member of three with mutual TLS on both sides', () => {
  const config = build(
    `--name m1 --data-dir m1 --wal-dir /fast/wal ${tls} ${httpsClients} ${peerTls} --peer-trusted-ca-file ca.pem ` +
      '--peer-client-cert-auth --listen-peer-urls https://127.0.0.1:2380 --initial-advertise-peer-urls https://127.0.0.1:2380 ' +
      '--initial-cluster m1=https://127.0.0.1:2380,m2=https://127.0.0.1:2480,m3=https://127.0.0.1:2580,m3=https://127.0.0.1:2590 ' +
      '--initial-cluster-state new --initial-cluster-token secret-league --log-level warn',
  )
  assert.equal(config.dataDir, '/srv/m1')
  assert.equal(config.walDir, '/fast/wal')
  const files = {
    ...tlsDefaults,
    certFile: '/srv/c.pem',
    keyFile: '/srv/k.pem',
    trustedCaFile: '/srv/ca.pem',
    clientCertAuth: true,
  }
  assert.deepEqual(config.clientTls, files)
  assert.deepEqual(config.peerTls, files)
  assert.deepEqual(config.initialCluster.get('m3'), ['https://127.0.0.1:2580', 'https://127.0.0.1:2590'])
  assert.equal(config.initialCluster.size, 3)
  assert.equal(config.initialClusterToken, 'secret-league')
})

test('what is asked of certificates, and the protocol', () => {
  const config = build(
    `${tls} ${httpsClients} --client-crl-file c.crl --client-cert-allowed-hostname app.example ${peerTls} ` +
      '--peer-trusted-ca-file ca.pem --peer-crl-file p.crl --peer-cert-allowed-cn member,other --crl-grace 1h ' +
      '--cipher-suites TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_AES_128_GCM_SHA256 --tls-max-version TLS1.2 ' +
      '--listen-peer-urls https://127.0.0.1:2380 --initial-advertise-peer-urls https://127.0.0.1:2380',
  )
  const protocol = {
    cipherSuites: [
      'TLS_AES_128_GCM_SHA256',
      'TLS_AES_256_GCM_SHA384',
      'TLS_CHACHA20_POLY1305_SHA256',
      'ECDHE-RSA-AES128-GCM-SHA256',
    ],
    tlsVersionMin: 'TLSv1.2',
    tlsVersionMax: 'TLSv1.2',
    crlGraceMs: 3_600_000,
    selfSigned: false,
  }
  const { certFile, keyFile, trustedCaFile, clientCertAuth, ...clients } = config.clientTls!
  assert.deepEqual(clients, {
    ...protocol,
    crlFile: '/srv/c.crl',
    allowedHostname: 'app.example',
    allowedCommonNames: [],
  })
  assert.equal(config.peerTls?.crlFile, '/srv/p.crl')
  assert.deepEqual(config.peerTls.allowedCommonNames, ['member', 'other'])
})

for (const { cores, threads } of [
  { cores: 1, threads: 1 },
  { cores: 2, threads: 1 },
  { cores: 3, threads: 2 },
  { cores: 64, threads: 3 },
]) {
  test(`${cores} cores get ${threads} serving threads`, () => assert.equal(build('', cores).serveThreads, threads))
}

for (const { cores, hosts, threads } of [
  { cores: 4, hosts: ['127.0.0.1', '127.0.0.1', '127.0.0.1'], threads: 1 },
  { cores: 8, hosts: ['127.0.0.1', '127.0.0.1', '127.0.0.1'], threads: 2 },
  { cores: 4, hosts: ['10.0.0.1', '10.0.0.2', '10.0.0.3'], threads: 3 },
  { cores: 4, hosts: ['a.example', 'a.example', 'b.example'], threads: 1 },
]) {
  test(`${cores} cores for members on ${hosts.join(', ')}: ${threads} serving threads each`, () => {
    const url = (i: number): string => `http://${hosts[i]}:${2380 + i}`
    const cluster = hosts.map((_, i) => `m${i}=${url(i)}`).join(',')
    const flags = `--name m0 --initial-advertise-peer-urls ${url(0)} --initial-cluster ${cluster}`
    assert.equal(build(flags, cores).serveThreads, threads)
  })
}

test('metrics may be asked for in plaintext on this machine beside certificates, and with them anywhere', () => {
  const urls = 'http://127.0.0.1:2381,https://10.0.0.1:2381'
  const { listenMetricsUrls } = build(`${tls} ${httpsClients} --listen-metrics-urls ${urls}`)
  assert.deepEqual(listenMetricsUrls.map(String), ['http://127.0.0.1:2381/', 'https://10.0.0.1:2381/'])
  assert.equal(build('--listen-metrics-urls http://10.0.0.1:2381 --insecure').listenMetricsUrls.length, 1)
})

for (const { flags, field, want } of [
  { flags: '--serve-threads 0', field: 'serveThreads', want: 0 },
  { flags: '--enable-grpc-reflection', field: 'enableGrpcReflection', want: true },
  { flags: '--pre-vote=false', field: 'preVote', want: false },
  { flags: '-heartbeat-interval=10 -election-timeout=50', field: 'electionTimeoutMs', want: 50 },
  { flags: '--election-timeout 50000', field: 'electionTimeoutMs', want: 50000 },
  { flags: '--grpc-keepalive-interval 0', field: 'grpcKeepaliveIntervalMs', want: 0 },
  { flags: '--experimental-watch-progress-notify-interval 1m30.5s', field: 'watchProgressIntervalMs', want: 90500 },
  { flags: '--compaction-batch-limit 50', field: 'compactionBatchLimit', want: 50 },
  { flags: '--experimental-compaction-batch-limit 60', field: 'compactionBatchLimit', want: 60 },
  {
    flags: '--experimental-compaction-batch-limit 60 --compaction-batch-limit 0',
    field: 'compactionBatchLimit',
    want: 1000,
  },
  { flags: '--compaction-sleep-interval 1s', field: 'compactionPauseMs', want: 1000 },
  { flags: '--experimental-compaction-sleep-interval 0', field: 'compactionPauseMs', want: 10 },
  { flags: '--log-level panic', field: 'logLevel', want: 'fatal' },
  { flags: '--debug', field: 'logLevel', want: 'debug' },
  { flags: '--metrics extensive', field: 'metrics', want: 'extensive' },
  { flags: '--initial-cluster-state existing', field: 'initialClusterState', want: 'existing' },
  { flags: '--name a --name b', field: 'name', want: 'b' },
  // What etcd has and we have not may be given with the value that it has anyway.
  {
    flags: '--strict-reconfig-check --quota-backend-bytes 0 --max-wals=5',
    field: 'name',
    want: 'default',
  },
  { flags: '--experimental-corrupt-check-time 0 --logger zap --log-outputs stderr', field: 'name', want: 'default' },
  { flags: '--enable-v2=f --cors * --auth-token simple', field: 'name', want: 'default' },
] as const) {
  test(`${flags}: ${field} is ${want}`, () => assert.equal(build(flags)[field], want))
}

for (const { flags, flag, message } of [
  { flags: '--metrics all', flag: 'metrics', message: /must be basic or extensive, not "all"/ },
  ...[
    { url: 'https://127.0.0.1:2381', message: /needs --cert-file and --key-file/ },
    { url: 'http://10.0.0.1:2381', message: /plaintext beyond this machine/ },
    { url: 'http://example.com:2381', message: /needs an IP address or localhost/ },
    { url: 'http://localhost:2379', message: /has the address of one of --listen-client-urls/ },
    { url: 'http://localhost:2380', message: /has the address of one of --listen-peer-urls/ },
    { url: 'http://127.0.0.1:2381,http://127.0.0.1:2381', message: /is there twice/ },
    { url: 'unix:///metrics', message: /./ },
  ].map(({ url, message }) => ({ flags: `--listen-metrics-urls ${url}`, flag: 'listen-metrics-urls', message })),
  { flags: '--heartbeat-interval 0', flag: 'heartbeat-interval', message: /0 is not between 1 and/ },
  { flags: '--heartbeat-interval -5', flag: 'heartbeat-interval', message: /-5 is not between/ },
  { flags: '--heartbeat-interval 1e2', flag: 'heartbeat-interval', message: /not a whole number/ },
  { flags: '--election-timeout 300', flag: 'election-timeout', message: /300 ms is less than 5 times/ },
  { flags: '--election-timeout 50001', flag: 'election-timeout', message: /50000/ },
  { flags: '--snapshot-count 0', flag: 'snapshot-count', message: /0 is not between/ },
  { flags: '--max-txn-ops 99999999999999999999', flag: 'max-txn-ops', message: /is not between/ },
  { flags: '--max-request-bytes 100000000', flag: 'max-request-bytes', message: /is not between/ },
  { flags: '--max-concurrent-streams 4294967296', flag: 'max-concurrent-streams', message: /is not between/ },
  { flags: '--serve-threads 65', flag: 'serve-threads', message: /is not between 0 and 64/ },
  { flags: '--client-cert-auth=maybe', flag: 'client-cert-auth', message: /"maybe" is neither true nor false/ },
  { flags: '--grpc-keepalive-min-time 5', flag: 'grpc-keepalive-min-time', message: /not a duration/ },
  { flags: '--grpc-keepalive-min-time -5s', flag: 'grpc-keepalive-min-time', message: /negative/ },
  { flags: '--grpc-keepalive-interval 600h', flag: 'grpc-keepalive-interval', message: /24 days/ },
  {
    flags: '--experimental-watch-progress-notify-interval 99ms',
    flag: 'experimental-watch-progress-notify-interval',
    message: /less than 100ms/,
  },
  { flags: '--compaction-batch-limit -1', flag: 'compaction-batch-limit', message: /is not between/ },
  { flags: '--log-level loud', flag: 'log-level', message: /"loud"/ },
  { flags: '--name a,b', flag: 'name', message: /not a usable name/ },
  { flags: '--name ../b', flag: 'name', message: /not a usable name/ },
  { flags: '--initial-cluster-state old', flag: 'initial-cluster-state', message: /new or existing/ },
  { flags: '--reported-version 3.4', flag: 'reported-version', message: /not a version/ },
  { flags: '--reported-version v3.5.30', flag: 'reported-version', message: /not a version/ },
  { flags: '--reported-version 3.7.0', flag: 'reported-version', message: /promises KV.RangeStream/ },
  { flags: '--reported-version 3.7.0-alpha.0', flag: 'reported-version', message: /3.6 is the highest/ },
  { flags: '--reported-version 3.3.27', flag: 'reported-version', message: /3.4 is the lowest/ },
  // Addresses.
  { flags: '--listen-client-urls http://127.0.0.1:1', flag: 'advertise-client-urls', message: /is required/ },
  { flags: '--listen-peer-urls http://example.com:2380', flag: 'listen-peer-urls', message: /IP address or localhost/ },
  { flags: '--listen-peer-urls http://127.0.0.1', flag: 'listen-peer-urls', message: /needs a port/ },
  { flags: '--listen-peer-urls http://127.0.0.1:0', flag: 'listen-peer-urls', message: /needs a port/ },
  { flags: '--listen-peer-urls http://127.0.0.1:65536', flag: 'listen-peer-urls', message: /needs a port/ },
  { flags: '--listen-peer-urls http://127.0.0.1:1/x', flag: 'listen-peer-urls', message: /nothing may follow/ },
  { flags: '--listen-peer-urls http://u:p@127.0.0.1:1', flag: 'listen-peer-urls', message: /./ },
  { flags: '--listen-peer-urls unix://127.0.0.1:1', flag: 'listen-peer-urls', message: /http or https/ },
  { flags: '--listen-peer-urls 127.0.0.1:1', flag: 'listen-peer-urls', message: /not a URL/ },
  { flags: '--listen-peer-urls http://[::zz]:1', flag: 'listen-peer-urls', message: /./ },
  { flags: '--listen-peer-urls=', flag: 'listen-peer-urls', message: /at least one/ },
  {
    flags: '--listen-peer-urls http://127.0.0.1:1,http://127.0.0.1:1',
    flag: 'listen-peer-urls',
    message: /there twice/,
  },
  { flags: '--listen-peer-urls http://localhost:2379', flag: 'listen-peer-urls', message: /listen-client-urls/ },
  { flags: '--listen-peer-urls http://0.0.0.0:2380', flag: 'listen-peer-urls', message: /--insecure/ },
  { flags: '--listen-peer-urls http://10.0.0.1:2380', flag: 'listen-peer-urls', message: /--insecure/ },
  { flags: '--listen-peer-urls http://[::]:2380', flag: 'listen-peer-urls', message: /--insecure/ },
  // TLS.
  { flags: '--listen-peer-urls https://127.0.0.1:1', flag: 'listen-peer-urls', message: /needs --peer-cert-file/ },
  { flags: tls, flag: 'listen-client-urls', message: /would be plaintext although --cert-file is set/ },
  { flags: '--cert-file c.pem', flag: 'cert-file', message: /needs --key-file/ },
  { flags: '--key-file k.pem', flag: 'key-file', message: /needs --cert-file/ },
  { flags: '--trusted-ca-file ca.pem', flag: 'trusted-ca-file', message: /needs --cert-file/ },
  {
    flags: '--cert-file c.pem --key-file k.pem --client-cert-auth',
    flag: 'client-cert-auth',
    message: /needs --trusted-ca-file/,
  },
  { flags: '--peer-client-cert-auth', flag: 'peer-client-cert-auth', message: /needs --peer-trusted-ca-file/ },
  {
    flags: `${peerTls} --listen-peer-urls https://127.0.0.1:2380`,
    flag: 'initial-advertise-peer-urls',
    message: /would be plaintext/,
  },
  // The initial cluster.
  { flags: '--initial-cluster a', flag: 'initial-cluster', message: /"a" is not name=URL/ },
  { flags: '--initial-cluster =http://localhost:2380', flag: 'initial-cluster', message: /not name=URL/ },
  { flags: '--initial-cluster default=http://x', flag: 'initial-cluster', message: /needs a port/ },
  { flags: '--initial-cluster a=http://localhost:2380', flag: 'initial-cluster', message: /no member named "default"/ },
  {
    flags: '--initial-cluster default=http://127.0.0.1:2380',
    flag: 'initial-cluster',
    message: /default=http:\/\/127\.0\.0\.1:2380, which --initial-advertise-peer-urls does not have/,
  },
  {
    flags:
      '--initial-advertise-peer-urls http://localhost:2380,http://localhost:2390 --initial-cluster default=http://localhost:2380',
    flag: 'initial-cluster',
    message: /does not have default=http:\/\/localhost:2390/,
  },
  {
    flags: '--initial-cluster default=http://localhost:2380,b=http://localhost:2380',
    flag: 'initial-cluster',
    message: /there twice/,
  },
  // Certificates of its own making, or renewed.
  { flags: '--auto-tls', flag: 'listen-client-urls', message: /would be plaintext although --auto-tls is set/ },
  {
    flags: `--auto-tls ${tls.replace(/--trusted.*/, '')} ${httpsClients}`,
    flag: 'auto-tls',
    message: /conflicts with --cert-file/,
  },
  { flags: `--peer-auto-tls ${peerTls}`, flag: 'peer-auto-tls', message: /conflicts with --peer-cert-file/ },
  {
    flags: `--auto-tls --trusted-ca-file ca.pem ${httpsClients}`,
    flag: 'trusted-ca-file',
    message: /needs --cert-file/,
  },
  {
    flags: `--auto-tls --client-cert-auth ${httpsClients}`,
    flag: 'client-cert-auth',
    message: /needs --trusted-ca-file/,
  },
  {
    flags: '--auto-tls --listen-client-urls https://10.0.0.1:2379 --advertise-client-urls https://10.0.0.1:2379',
    flag: 'listen-client-urls',
    message: /would authenticate nobody beyond this machine/,
  },
  { flags: '--self-signed-cert-validity 0', flag: 'self-signed-cert-validity', message: /0 is not between 1 and 100/ },
  { flags: '--pki-dir ca', flag: 'pki-dir', message: /there is no certificate to renew/ },
  { flags: '--pki-passphrase-file p', flag: 'pki-passphrase-file', message: /needs --pki-dir/ },
  // Known to etcd, not built.
  { flags: '--client-crl-file x.crl', flag: 'client-crl-file', message: /needs --trusted-ca-file/ },
  { flags: '--peer-crl-file x.crl', flag: 'peer-crl-file', message: /needs --peer-trusted-ca-file/ },
  { flags: '--peer-cert-allowed-cn m', flag: 'peer-cert-allowed-cn', message: /needs --peer-trusted-ca-file/ },
  {
    flags: '--client-cert-allowed-hostname h',
    flag: 'client-cert-allowed-hostname',
    message: /needs --trusted-ca-file/,
  },
  {
    flags: `${peerTls} --peer-trusted-ca-file ca.pem --peer-cert-allowed-cn m --peer-cert-allowed-hostname h`,
    flag: 'peer-cert-allowed-cn',
    message: /conflicts with --peer-cert-allowed-hostname/,
  },
  { flags: '--tls-min-version TLS1.1', flag: 'tls-min-version', message: /"TLS1\.1" is neither TLS1\.2 nor TLS1\.3/ },
  { flags: '--tls-min-version TLS1.3 --tls-max-version TLS1.2', flag: 'tls-min-version', message: /is above/ },
  {
    flags: '--cipher-suites TLS_RSA_WITH_RC4_128_SHA',
    flag: 'cipher-suites',
    message: /TLS cipher suite "TLS_RSA_WITH_RC4_128_SHA" is too weak/,
  },
  {
    flags: '--cipher-suites TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256',
    flag: 'cipher-suites',
    message: /is too weak/,
  },
  { flags: '--cipher-suites TLS_NONE', flag: 'cipher-suites', message: /unexpected TLS cipher suite "TLS_NONE"/ },
  {
    flags: '--cipher-suites TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 --tls-min-version TLS1.3',
    flag: 'cipher-suites',
    message: /has no effect/,
  },
  { flags: '--auth-token jwt', flag: 'auth-token', message: /sign-method must be one of/ },
  { flags: '--auth-token other', flag: 'auth-token', message: /neither simple nor jwt/ },
  { flags: '--auth-token simple,ttl=5m', flag: 'auth-token', message: /neither simple nor jwt/ },
  { flags: '--auth-token jwt,sign-method=none,pub-key=a', flag: 'auth-token', message: /sign-method must be one of/ },
  { flags: '--auth-token jwt,sign-method=RS256', flag: 'auth-token', message: /needs pub-key or priv-key/ },
  { flags: '--auth-token jwt,sign-method=RS256,pub-key=', flag: 'auth-token', message: /is none of/ },
  { flags: '--auth-token jwt,sign-method=RS256,pub-key=a,color=b', flag: 'auth-token', message: /is none of/ },
  { flags: '--auth-token jwt,sign-method=RS256,pub-key=a,pub-key=b', flag: 'auth-token', message: /given twice/ },
  { flags: '--auth-token jwt,sign-method=RS256,pub-key=a,ttl=0', flag: 'auth-token', message: /from 1s to 24h/ },
  { flags: '--auth-token jwt,sign-method=RS256,pub-key=a,ttl=25h', flag: 'auth-token', message: /from 1s to 24h/ },
  { flags: '--auth-token jwt,sign-method=RS256,pub-key=a,ttl=-5m', flag: 'auth-token', message: /negative/ },
  { flags: '--auth-token-ttl 0', flag: 'auth-token-ttl', message: /0/ },
  { flags: '--bcrypt-cost 3', flag: 'bcrypt-cost', message: /3/ },
  { flags: `${tls} --client-cert-identity email ${httpsClients}`, flag: 'client-cert-identity', message: /"email"/ },
  { flags: '--client-cert-identity uri', flag: 'client-cert-identity', message: /needs --client-cert-auth/ },
  { flags: '--auth-password-min-length 0', flag: 'auth-password-min-length', message: /0/ },
  { flags: '--auth-password-min-length 73', flag: 'auth-password-min-length', message: /73/ },
  { flags: '--bcrypt-cost 32', flag: 'bcrypt-cost', message: /32/ },
  { flags: '--logger glog', flag: 'logger', message: /only zap or capnslog/ },
]) {
  test(`refused: ${flags}`, () => {
    assert.throws(
      () => build(flags),
      (error) => {
        assert.ok(error instanceof ConfigError, String(error))
        assert.equal(error.flag, flag)
        assert.match(error.message, message)
        assert.ok(!error.message.includes('\n'))
        if (flag !== null) assert.ok(error.message.startsWith(`--${flag}: `))
        return true
      },
    )
  })
}

test('plaintext beyond loopback needs --insecure, loopback does not', () => {
  assert.equal(build('--listen-peer-urls http://0.0.0.0:2380 --insecure').listenPeerUrls[0]!.hostname, '0.0.0.0')
  assert.equal(build('--listen-peer-urls http://127.9.9.9:2380').listenPeerUrls[0]!.hostname, '127.9.9.9')
  assert.equal(build('--listen-peer-urls http://[::1]:2380').listenPeerUrls[0]!.hostname, '[::1]')
})

for (const flag of flagsByName.values()) {
  if (flag.status !== 'known') continue
  test(`--${flag.name} is accepted with its default and refused with another value`, () => {
    assert.equal(build(`--${flag.name}=${flag.default}`).name, 'default')
    const other = flag.type === 'bool' ? String(flag.default === 'false') : flag.type === 'duration' ? '7m' : '7'
    assert.throws(() => build(`--${flag.name}=${other}`), { message: `flag --${flag.name} is not supported yet` })
  })
}

test('certificates of its own making lie in the data folder, and only encrypt', () => {
  const { clientTls, peerTls } = build(
    `--data-dir d --auto-tls ${httpsClients} --peer-auto-tls --listen-peer-urls https://127.0.0.1:2380 --initial-advertise-peer-urls https://127.0.0.1:2380`,
  )
  const rest = { ...tlsDefaults, trustedCaFile: null, clientCertAuth: false, selfSigned: true }
  assert.deepEqual(clientTls, {
    ...rest,
    certFile: '/srv/d/fixtures/client/cert.pem',
    keyFile: '/srv/d/fixtures/client/key.pem',
  })
  assert.deepEqual(peerTls, {
    ...rest,
    certFile: '/srv/d/fixtures/peer/cert.pem',
    keyFile: '/srv/d/fixtures/peer/key.pem',
  })
  const beyond = 'https://10.0.0.1:2379'
  assert.equal(
    build(`--auto-tls --insecure --listen-client-urls ${beyond} --advertise-client-urls ${beyond}`).clientTls
      ?.selfSigned,
    true,
  )
})

test('--auth-token jwt with its options', () => {
  assert.deepEqual(build('--auth-token jwt,pub-key=p.pem,priv-key=/k/s.pem,sign-method=ES256,ttl=1h30m').authToken, {
    kind: 'jwt',
    algorithm: 'ES256',
    publicKeyFile: '/srv/p.pem',
    privateKeyFile: '/k/s.pem',
    ttlSeconds: 5400,
  })
})
