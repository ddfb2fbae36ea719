import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ClientFiles, type ProbedMember, probe } from './cluster-probe.ts'
import { etcdctlEnvironment, etcdctlExamples, memberTable } from './connection-help.ts'
import { CommandError } from './failure.ts'
import { lastLogLine, type MemberExit, type MemberProcess, startMemberProcess } from './member-process.ts'
import { type MemberFiles, prepareCertificates } from './quickstart-certificates.ts'
import { type PlannedMember, planQuickstart, type QuickstartOptions, type QuickstartPlan } from './quickstart-plan.ts'

const readyMsMax = 60_000
const probeIntervalMs = 100
const stopPatienceMs = 15_000

/** What ends a quickstart. */
type Ending =
  | { readonly kind: 'signal' }
  | { readonly kind: 'command'; readonly exitCode: number }
  | { readonly kind: 'allDead' }

/**
 * A whole cluster on this machine, with mutual TLS everywhere, until Ctrl-C or until the command of `--once` ends. It
 * keeps its data and goes on with it the next time. A member that dies is reported and not restarted.
 *
 * @returns the exit code.
 * @throws CommandError | ConfigError with one line that says what is in the way.
 */
export async function quickstart(options: QuickstartOptions): Promise<number> {
  const plan = await planQuickstart(options)
  const certificates = await prepareCertificates(plan)
  const say = (text: string): void => {
    // The output of --once is its command's alone.
    const stream = options.once === undefined ? process.stdout : process.stderr
    stream.write(text)
  }
  say(`${plan.isNew ? 'Starting a new cluster' : 'Resuming the cluster'} of ${plan.members.length} in ${plan.dir}\n`)

  const signalled = stopSignal()
  const processes = plan.members.map((member) =>
    startMemberProcess(
      member.name,
      serveFlags(plan, member, certificates.members, options.serveThreads),
      member.logFile,
    ),
  )
  const phase = { isStopping: false }
  try {
    const early = watchForDeath(processes, plan)
    const ready = await Promise.race([waitUntilReady(plan, certificates.client), early, signalled])
    if ('kind' in ready) return 0
    announce(plan, ready, certificates.client, say)
    const ending = await Promise.race([
      reportDeaths(processes, plan, phase),
      options.once === undefined ? signalled : runOnce(options.once, plan, certificates.client),
    ])
    if (ending.kind === 'allDead') throw new CommandError('all members have stopped')
    return ending.kind === 'command' ? ending.exitCode : 0
  } finally {
    phase.isStopping = true
    say('Stopping...\n')
    await Promise.all(processes.map((member) => member.stop(stopPatienceMs)))
  }
}

const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

function stopSignal(): Promise<Ending> {
  return new Promise((resolve) => {
    for (const signal of stopSignals) process.on(signal, () => resolve({ kind: 'signal' }))
  })
}

function serveFlags(
  plan: QuickstartPlan,
  member: PlannedMember,
  filesOf: ReadonlyMap<string, MemberFiles>,
  serveThreads: number,
): string[] {
  const files = filesOf.get(member.name)!
  return [
    `--name=${member.name}`,
    `--data-dir=${member.dataDir}`,
    `--listen-client-urls=${member.clientUrl}`,
    `--advertise-client-urls=${member.clientUrl}`,
    `--listen-peer-urls=${member.peerUrl}`,
    `--initial-advertise-peer-urls=${member.peerUrl}`,
    `--initial-cluster=${plan.members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',')}`,
    `--initial-cluster-token=${plan.token}`,
    `--cert-file=${files.clients.certFile}`,
    `--key-file=${files.clients.keyFile}`,
    `--trusted-ca-file=${files.clients.caFile}`,
    '--client-cert-auth',
    `--peer-cert-file=${files.peers.certFile}`,
    `--peer-key-file=${files.peers.keyFile}`,
    `--peer-trusted-ca-file=${files.peers.caFile}`,
    '--peer-client-cert-auth',
    `--serve-threads=${serveThreads}`,
  ]
}

const howItEnded = ({ code, signal }: MemberExit): string =>
  signal === null ? `with exit code ${code}` : `by ${signal}`

/** Rejects as soon as one member ends: before the cluster serves, that is a failed start. */
function watchForDeath(processes: readonly MemberProcess[], plan: QuickstartPlan): Promise<never> {
  const failed = Promise.race(
    processes.map(async ({ name, exited }, index) => {
      const ended = howItEnded(await exited)
      const { logFile } = plan.members[index]!
      throw new CommandError(`member ${name} ended ${ended}: ${lastLogLine(logFile)} (its log: ${logFile})`)
    }),
  )
  // It also rejects when members are stopped at the end; nobody listens then.
  failed.catch(() => {})
  return failed
}

async function waitUntilReady(plan: QuickstartPlan, client: ClientFiles): Promise<ProbedMember[]> {
  const deadline = performance.now() + readyMsMax
  for (;;) {
    const answers = await Promise.allSettled(plan.members.map((member) => probe(member.clientUrl, client)))
    const failed = answers.findIndex((answer) => answer.status === 'rejected')
    if (failed === -1) return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    if (performance.now() > deadline) {
      const answer = answers[failed]!
      const reason = answer.status === 'rejected' ? String(answer.reason?.message ?? answer.reason) : ''
      const { name, logFile } = plan.members[failed]!
      throw new CommandError(
        `member ${name} does not serve after ${readyMsMax / 1000} s: ${reason} (its log: ${logFile})`,
      )
    }
    await sleep(probeIntervalMs)
  }
}

function announce(
  plan: QuickstartPlan,
  probed: readonly ProbedMember[],
  client: ClientFiles,
  say: (text: string) => void,
): void {
  say(`\n${memberTable(plan.members, probed)}\n`)
  say(`Connect from another terminal:\n\n${etcdctlExamples(plan.members, client, process.cwd())}\n`)
  say(`Logs: ${plan.dir}/logs. Ctrl-C stops the cluster; the next start goes on with its data.\n`)
}

/** Says which member died; the others go on as long as there are any. */
async function reportDeaths(
  processes: readonly MemberProcess[],
  plan: QuickstartPlan,
  phase: { readonly isStopping: boolean },
): Promise<Ending> {
  await Promise.all(
    processes.map(async ({ name, exited }, index) => {
      const ended = howItEnded(await exited)
      if (phase.isStopping) return
      const { logFile } = plan.members[index]!
      process.stderr.write(`Member ${name} ended ${ended}; it is not restarted (its log: ${logFile})\n`)
    }),
  )
  return { kind: 'allDead' }
}

/** Signals are the command's to act on: its end is what stops the cluster. */
function runOnce(command: string, plan: QuickstartPlan, client: ClientFiles): Promise<Ending> {
  return new Promise((resolve, reject) => {
    const child: ChildProcess = spawn(command, {
      shell: true,
      stdio: 'inherit',
      env: { ...process.env, ...etcdctlEnvironment(plan.members, client) },
    })
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve({ kind: 'command', exitCode: code ?? exitCodeOf(signal) }))
    for (const signal of stopSignals) process.on(signal, () => child.kill(signal))
  })
}

const signalNumbers: ReadonlyMap<string, number> = new Map([
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGKILL', 9],
  ['SIGTERM', 15],
])

/** As shells report a command that a signal ended. */
const exitCodeOf = (signal: string | null): number => 128 + (signalNumbers.get(signal ?? '') ?? 0)
