import { availableParallelism } from 'node:os'
import { limits } from '../base/limits.ts'
import type { Log } from '../base/log.ts'
import { buildMemberConfig } from '../config/build-member-config.ts'
import { ConfigError } from '../config/config-error.ts'
import { preparePrivateFolder } from '../config/data-folder.ts'
import { flagHelp } from '../config/flag-help.ts'
import { loadSettings } from '../config/load-settings.ts'
import type { MemberConfig } from '../config/member-config.ts'
import { readBounded, readingProblem } from '../files/read-bounded.ts'
import { createLog } from '../logging/pino-log.ts'
import { failureLine } from './failure.ts'
import { versionText } from './version.ts'

const usage = `Usage: leasehold serve [flags]

Runs one member. Takes etcd's flags, each also as an environment variable (--data-dir is ETCD_DATA_DIR or
LEASEHOLD_DATA_DIR) and as a key of the YAML file that --config-file names.
`

/**
 * Runs a member until it is told to stop: 0 after SIGTERM, SIGINT or the end of standard input (if asked for), 1 if it
 * could not start or its core failed.
 *
 * @returns the exit code.
 */
export async function serve(args: readonly string[]): Promise<number> {
  let prepared: ReturnType<typeof prepare>
  try {
    prepared = prepare(args)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(failureLine('serve', error))
    return 1
  }
  if (typeof prepared === 'string') {
    process.stdout.write(prepared)
    return 0
  }
  const { config, log, stopOnStdinClose } = prepared
  return run(config, log, stopOnStdinClose)
}

/** @returns a text to print if that is all that was asked for. */
function prepare(args: readonly string[]): string | { config: MemberConfig; log: Log; stopOnStdinClose: boolean } {
  const { settings, warnings } = loadSettings({ args, environment: process.env, readFile: readTextFile })
  if (settings.bool('help')) return `${usage}\n${flagHelp()}\n`
  if (settings.bool('version')) return versionText()
  const config = buildMemberConfig(settings, { cwd: process.cwd(), cores: availableParallelism() })
  preparePrivateFolder('data-dir', config.dataDir)
  if (config.walDir !== null) preparePrivateFolder('wal-dir', config.walDir)
  const log = createLog({ level: config.logLevel, name: config.name })
  for (const warning of warnings) log.warn(warning)
  return { config, log, stopOnStdinClose: settings.bool('stop-on-stdin-close') }
}

async function run(config: MemberConfig, log: Log, stopOnStdinClose: boolean): Promise<number> {
  // Before the member starts: a signal during a slow start must stop it, too.
  const stopAsked = stopSignal(log, stopOnStdinClose)
  // Loaded late, so that a wrong flag is answered without loading the server.
  const { startMember } = await import('../node.ts')
  let member: Awaited<ReturnType<typeof startMember>> | null = null
  // At a start there is nothing to read again, and without a listener the signal would end the process.
  process.on('SIGHUP', () => member?.reloadTls())
  try {
    member = await startMember(config, log)
  } catch (error) {
    log.debug('could not start', { error })
    process.stderr.write(failureLine('serve', error))
    return 1
  }
  const failure = await Promise.race([stopAsked, member.failed])
  if (failure instanceof Error) {
    log.fatal('the member failed and stops', { error: failure })
    return 1
  }
  log.info('stopping', { reason: failure })
  await member.stop()
  log.info('stopped')
  return 0
}

/**
 * Who wants the process to end at once repeats the signal. Twice in one moment is one order: timeout(1) and npm pass on what the
 * whole process group, and so this process, has got already.
 */
const sameOrderMsMax = 500

/** Resolves with what asked for the stop. A second signal ends the process at once, as a shell expects. */
function stopSignal(log: Log, onStdinClose: boolean): Promise<string> {
  return new Promise((resolve) => {
    let askedMs: number | null = null
    const on = (signal: 'SIGTERM' | 'SIGINT', exitCode: number) =>
      process.on(signal, () => {
        if (askedMs === null) {
          askedMs = performance.now()
          resolve(signal)
        } else if (performance.now() - askedMs > sameOrderMsMax) {
          log.warn('second signal: exiting without a clean stop', { signal })
          process.exit(exitCode)
        }
      })
    on('SIGINT', 130)
    on('SIGTERM', 143)
    if (!onStdinClose) return
    const closed = () => resolve('standard input was closed')
    process.stdin.on('end', closed).on('close', closed).on('error', closed).resume()
  })
}

function readTextFile(path: string): string {
  try {
    return readBounded(path, limits.configFileBytesMax, 'any').toString('utf8')
  } catch (cause) {
    throw new ConfigError('config-file', `${path} cannot be read (${readingProblem(cause)})`, { cause })
  }
}
