/** The composition root: from a configuration to a running member, in reading order; closed in reverse. */
import { randomInt } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { bootstrapState } from './apply/bootstrap.ts'
import { listMembers } from './apply/members.ts'
import { diskSecondsBounds, Histogram } from './base/histogram.ts'
import { formatId, type MemberId, memberId } from './base/ids.ts'
import { limits } from './base/limits.ts'
import type { Log } from './base/log.ts'
import type { AuditConfig } from './config/audit-settings.ts'
import { bootstrapCluster, type InitialCluster } from './config/bootstrap.ts'
import type { MemberConfig } from './config/member-config.ts'
import { EtcdError } from './errors.ts'
import { HealthCounts } from './http/health-counts.ts'
import { startMetricsListeners } from './http/metrics-listeners.ts'
import { MemberMetrics } from './metrics/member-metrics.ts'
import { sumOfTlsCounts } from './metrics/tls-families.ts'
import { getClusterId, getCompactRevision } from './mvcc/meta.ts'
import { makeOwnCertificates, startRenewer } from './own-certificates.ts'
import { createPeers, type PeerMembers } from './peer/peers.ts'
import { RoundTrips } from './peer/round-trips.ts'
import { handOverLeadership } from './replica/hand-over-leadership.ts'
import { publishMember } from './replica/membership.ts'
import type { Clock, StateStore } from './replica/ports.ts'
import { Replica } from './replica/replica.ts'
import { requireFreeAddress } from './security/free-address.ts'
import { Jwt } from './security/jwt.ts'
import { MemberTls } from './security/member-tls.ts'
import { systemResolver } from './security/system-resolver.ts'
import { newTlsCounts } from './security/tls-status.ts'
import type { MemberInfo } from './service/member.ts'
import { lockFolder } from './storage/folder-lock.ts'
import { openLmdbState } from './storage/lmdb-state.ts'
import { freeSpares, openWal } from './storage/wal.ts'
import { LocalMember } from './threads/local-member.ts'
import { MemberAudit } from './threads/member-audit.ts'
import { startServing } from './threads/serving.ts'
import { checkTokenFiles } from './tokens/check-files.ts'
import type { MemberRecord } from './wire/gen/internal.ts'

export interface RunningMember {
  /** Hands leadership over, ends calls, closes storage. */
  stop(): Promise<void>
  /** Certificates, keys, authorities and revocation lists are read again; what cannot be used is logged and left. */
  reloadTls(): void
  /** Settles when the core has stopped by itself and the process should end. */
  readonly failed: Promise<Error>
}

const realClock: Clock = {
  nowMs: () => performance.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms)
    return { cancel: () => clearTimeout(timer) }
  },
  soon: (callback) => {
    setImmediate(callback)
  },
}

/** @throws Error with one line that says what is wrong; nothing is left running. */
export async function startMember(config: MemberConfig, log: Log): Promise<RunningMember> {
  const closers: (() => Promise<void>)[] = []
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close()
  }
  try {
    return await compose(config, log, closers, closeAll)
  } catch (error) {
    await closeAll()
    throw error
  }
}

async function compose(
  config: MemberConfig,
  log: Log,
  closers: (() => Promise<void>)[],
  closeAll: () => Promise<void>,
): Promise<RunningMember> {
  const cluster = bootstrapCluster(config.initialCluster, config.initialClusterToken)
  const self = cluster.members.find((member) => member.name === config.name)
  if (!self) throw new Error(`--initial-cluster does not contain --name ${config.name}`)
  // What is wrong with the files should be known before there is anything on disk.
  makeOwnCertificates(config, log)
  const tls = new MemberTls(config, log)
  if (config.clientTls?.trustedCaFile == null)
    log.warn(
      'clients show no certificates: until auth is enabled whoever reaches the client port may read and write everything',
    )

  if (config.authToken.kind === 'jwt') await Jwt.open(config.authToken)
  await checkTokenFiles(config.tokens)

  const stateDir = join(config.dataDir, 'member', 'state')
  const walDir = config.walDir ?? join(config.dataDir, 'member', 'wal')
  for (const dir of [config.dataDir, stateDir, walDir]) await mkdir(dir, { recursive: true, mode: 0o700 })
  for (const [dir, lock] of [
    [config.dataDir, 'data.lock'],
    [walDir, 'wal.lock'],
  ] as const) {
    const unlock = lockFolder(dir, lock)
    closers.push(async () => unlock())
  }
  await freeSpares(walDir)
  const metrics = new MemberMetrics()
  const checkpointSeconds = new Histogram(diskSecondsBounds)
  const { store: state } = await openLmdbState({ dir: stateDir, log, checkpointSeconds })
  closers.push(() => state.close())
  const walSyncSeconds = new Histogram(diskSecondsBounds)
  const { clusterId } = cluster
  const wal = await openWal({ dir: walDir, clusterId, memberId: self.id, syncSeconds: walSyncSeconds, log })
  closers.push(() => wal.log.close())
  await ensureState(state, cluster, config)

  const info: MemberInfo = {
    clusterId,
    memberId: self.id,
    version: config.reportedVersion,
    maxTxnOps: config.maxTxnOps,
    maxRequestBytes: config.maxRequestBytes,
    electionTimeoutMs: config.electionTimeoutMs,
    leaseTtlSecondsMin: Math.ceil((1.5 * config.electionTimeoutMs) / 1000),
    watchProgressIntervalMs: config.watchProgressIntervalMs,
    authTokenTtlSeconds: config.authTokenTtlSeconds,
  }
  const failure = Promise.withResolvers<Error>()
  // Before its first snapshot a member that joins has only the flags' word for who the others are.
  const knownMembers = (): readonly MemberRecord[] => {
    const members = state.read(listMembers)
    return members.length > 0 ? members : initialRecords(cluster)
  }
  const roundTrips = new RoundTrips(realClock.nowMs)
  const peerTlsCounts = newTlsCounts()
  let replica: Replica
  const transport = createPeers({
    clusterToken: config.initialClusterToken,
    self: { clusterId: cluster.clusterId, memberId: self.id },
    members: peerUrlsById(knownMembers()),
    listenUrls: config.listenPeerUrls,
    tls: tls.peer,
    tlsCounts: peerTlsCounts,
    resolver: config.peerSkipClientSanVerification ? null : systemResolver,
    log,
    events: {
      receive: (message) => {
        roundTrips.received(message)
        replica.receive(message)
      },
      acceptSnapshot: (message) => replica.acceptSnapshot(message),
      receiveSnapshot: (message, staged) => replica.receiveSnapshot(message, staged),
      unreachable: (member) => replica.unreachable(member),
      answer: (from, method, request, done) => replica.answer(from, method, request, done),
    },
  })
  replica = new Replica(
    {
      info,
      electionTicks: Math.round(config.electionTimeoutMs / config.heartbeatIntervalMs),
      preVote: config.preVote,
      seed: randomInt(2 ** 31),
      recovered: wal.recovered,
      leaseCheckpointMs: config.leaseCheckpoints ? limits.leaseCheckpointMs : null,
      compaction: { batchLimit: config.compactionBatchLimit, pauseMs: config.compactionPauseMs },
    },
    {
      log: wal.log,
      state,
      peers: {
        ...transport.peers,
        send: (messages) => {
          roundTrips.sent(messages)
          transport.peers.send(messages)
        },
      },
      clock: realClock,
      report: log,
      membersChanged: () => {
        const members = peerUrlsById(knownMembers())
        transport.setMembers(members)
        roundTrips.keep(members)
      },
      failed: failure.resolve,
    },
  )
  closers.push(() => new Promise((resolve) => replica.stop(resolve)))
  await transport.start()
  closers.push(() => transport.close())
  const ticking = setInterval(() => replica.tick(), config.heartbeatIntervalMs)
  closers.push(async () => clearInterval(ticking))
  // Another leader that stopped may have chosen this member while its clients went.
  let hasNoHeir = false
  closers.push(async () => {
    if (!hasNoHeir) await handOverLeadership(replica, log)
  })

  if (config.audit !== null) {
    await mkdir(config.audit.dir, { recursive: true, mode: 0o700 })
    const unlock = lockFolder(config.audit.dir, 'audit.lock')
    closers.push(async () => unlock())
  }
  const audit = config.audit === null ? null : await openAudit(config, config.audit, self.id, failure.resolve, log)
  closers.push(async () => audit?.close())
  for (const url of config.listenClientUrls) await requireFreeAddress(url)
  const serving = await startServing({
    config,
    tls: tls.client,
    core: replica,
    state,
    metrics: metrics.text,
    audit,
    log,
  })
  closers.push(() => serving.close())
  const metricsTlsCounts = newTlsCounts()
  const metricsHealth = new HealthCounts()
  const metricsMember = new LocalMember(replica, state)
  closers.push(async () => metricsMember.close())
  const metricsListeners = await startMetricsListeners({
    urls: config.listenMetricsUrls,
    tls: tls.client,
    tlsCounts: metricsTlsCounts,
    member: metricsMember,
    metrics: metrics.text,
    healthCounts: metricsHealth,
    log,
  })
  closers.push(() => metricsListeners.close())
  metrics.serving({
    core: {
      info,
      status: () => replica.status(),
      counts: () => replica.counts(),
      revision: () => replica.revision(),
      compactRevision: () => state.read(getCompactRevision),
      stored: () => state.counts(),
      connected: () =>
        knownMembers()
          .map(({ id }) => memberId(id))
          .filter((id) => transport.connectedMs(id) !== null),
      walSyncSeconds,
      checkpointSeconds,
      roundTripSeconds: roundTrips.seconds,
    },
    threads: serving.threads,
    health: [...serving.threads.map(({ counts }) => counts.health), metricsHealth],
    tls: {
      status: () => tls.status(),
      counts: [
        { port: 'client', counts: sumOfTlsCounts(serving.threads.map(({ counts }) => counts.tls)) },
        { port: 'peer', counts: peerTlsCounts },
        { port: 'metrics', counts: metricsTlsCounts },
      ],
      nowMs: Date.now,
    },
    audit: audit?.counts ?? null,
  })
  announce(config, replica, self.id, log)
  tls.start()
  closers.push(async () => tls.stop())
  const renewer = startRenewer(config, log, (succeeded) => tls.renewed(succeeded))
  closers.push(async () => renewer.stop())

  return {
    failed: failure.promise,
    reloadTls: () => tls.reload(),
    stop: async () => {
      await handOverLeadership(replica, log)
      hasNoHeir = replica.leader() === self.id
      await closeAll()
    },
  }
}

/** @throws Error in one line. */
async function openAudit(
  config: MemberConfig,
  audit: AuditConfig,
  self: MemberId,
  failed: (error: Error) => void,
  log: Log,
): Promise<MemberAudit> {
  return MemberAudit.open({
    config: audit,
    member: formatId(self),
    name: config.name,
    version: config.reportedVersion,
    log,
    // Without its writer such a member would refuse every change; another process may have more luck.
    failed: (error) => (audit.mode === 'required' ? failed(error) : log.fatal(error.message)),
  })
}

const initialRecords = (cluster: InitialCluster): MemberRecord[] =>
  cluster.members.map(({ id, name, peerUrls }) => ({
    id,
    name,
    peer_urls: [...peerUrls],
    client_urls: [],
    is_learner: false,
  }))

const peerUrlsById = (records: readonly MemberRecord[]): PeerMembers =>
  new Map(records.map((record) => [memberId(record.id), { peerUrls: record.peer_urls, name: record.name }]))

/**
 * A fresh state begins with what the flags say; an old one must be this cluster's. In an existing cluster it begins
 * with nobody: the members, and all else, come in a snapshot, and until then this member neither votes nor counts.
 */
async function ensureState(state: StateStore, cluster: InitialCluster, config: MemberConfig): Promise<void> {
  const found = state.read(getClusterId)
  if (found === cluster.clusterId) return
  if (found !== null) {
    const ids = `${formatId(found)}, not ${formatId(cluster.clusterId)}`
    throw new Error(`${config.dataDir} belongs to cluster ${ids} as --initial-cluster and --initial-cluster-token say`)
  }
  await new Promise<void>((resolve, reject) => {
    const { clusterId } = cluster
    const members = config.initialClusterState === 'new' ? initialRecords(cluster) : []
    state.transact(
      (view) => bootstrapState(view, { clusterId, members }),
      (error) => (error ? reject(error) : resolve()),
    )
  })
}

/** Makes this member's name and client URLs known, and logs what scripts written for etcd wait for. */
function announce(config: MemberConfig, replica: Replica, self: MemberId, log: Log): void {
  log.info('enabled capabilities for version', { 'cluster-version': config.reportedVersion.replace(/\.\d+$/, '') })
  const record = {
    id: self,
    name: config.name,
    peer_urls: [...config.initialAdvertisePeerUrls],
    client_urls: [...config.advertiseClientUrls],
    is_learner: false,
  }
  const publish = (): void =>
    publishMember(replica, record, (error) => {
      if (error instanceof EtcdError && error.reason === 'stopped') return
      if (error) {
        log.warn('could not publish local member, trying again', { error: error.message })
        return publish()
      }
      const fields = { 'local-member-id': formatId(self), 'advertise-client-urls': config.advertiseClientUrls }
      log.info('published local member to cluster through raft', fields)
      log.info('ready to serve client requests')
    })
  publish()
}
