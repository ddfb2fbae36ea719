import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { preparePrivateFolder } from '../config/data-folder.ts'
import { CommandError } from './failure.ts'

export interface QuickstartOptions {
  readonly dir: string
  readonly members?: number
  readonly basePort?: number
  readonly serveThreads: number
  readonly once?: string
}

export interface PlannedMember {
  readonly name: string
  readonly clientUrl: string
  readonly peerUrl: string
  readonly dataDir: string
  readonly logFile: string
}

/** Where everything of one quickstart lies. All paths are absolute. */
export interface QuickstartPlan {
  readonly dir: string
  readonly isNew: boolean
  readonly token: string
  readonly members: readonly PlannedMember[]
}

const host = '127.0.0.1'
const membersMax = 7
const defaultMembers = 3
const defaultBasePort = 23790
const portsMax = 65535
const basePortsTried = 50

/** Grows when a folder of the old form could not be resumed. */
const formatVersion = 1
const stateSchema = z.object({
  format: z.literal(formatVersion),
  members: z.int().min(1).max(membersMax),
  basePort: z.int().min(1).max(portsMax),
})
type State = z.infer<typeof stateSchema>

/**
 * Takes up the cluster in `options.dir`, or plans a new one there. Addresses are part of the members' identity, so they
 * are chosen once and kept in the folder.
 *
 * @throws CommandError | ConfigError if the folder is unusable, was made with other options, or a port is in use.
 */
export async function planQuickstart(options: QuickstartOptions): Promise<QuickstartPlan> {
  const dir = resolve(options.dir)
  const stateFile = join(dir, 'quickstart.json')
  const resumed = existsSync(stateFile) ? readState(stateFile) : null
  const state = resumed ?? (await newState(options))
  if (resumed !== null) {
    preparePrivateFolder('dir', dir)
    requireSame(dir, '--members', options.members, resumed.members)
    requireSame(dir, '--base-port', options.basePort, resumed.basePort)
    const taken = await firstTakenPort(portsOf(resumed))
    if (taken !== null) throw new CommandError(`${taken.reason}; is the cluster in ${dir} running already?`)
  } else {
    preparePrivateFolder('dir', dir)
    writeFileSync(stateFile, `${JSON.stringify(state)}\n`, { mode: 0o600, flag: 'wx' })
  }
  mkdirSync(join(dir, 'logs'), { recursive: true, mode: 0o700 })
  const names = Array.from({ length: state.members }, (_, index) => `m${index + 1}`)
  return {
    dir,
    isNew: resumed === null,
    token: `quickstart-${state.basePort}`,
    members: names.map((name, index) => ({
      name,
      clientUrl: `https://${host}:${state.basePort + 2 * index}`,
      peerUrl: `https://${host}:${state.basePort + 2 * index + 1}`,
      dataDir: join(dir, 'data', name),
      logFile: join(dir, 'logs', `${name}.log`),
    })),
  }
}

function readState(file: string): State {
  let content: unknown
  try {
    content = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new CommandError(`${file} cannot be read; remove the folder to start afresh`, { cause })
  }
  const parsed = stateSchema.safeParse(content)
  if (!parsed.success)
    throw new CommandError(`${file} was made by another version of leasehold; use another --dir, or remove the folder`)
  return parsed.data
}

function requireSame(dir: string, option: string, asked: number | undefined, made: number): void {
  if (asked !== undefined && asked !== made)
    throw new CommandError(`${option} ${asked}: the cluster in ${dir} was made with ${made}; use another --dir`)
}

async function newState({ members = defaultMembers, basePort }: QuickstartOptions): Promise<State> {
  if (members < 1 || members > membersMax) throw new CommandError(`--members must be from 1 to ${membersMax}`)
  if (basePort !== undefined) {
    const state: State = { format: formatVersion, members, basePort }
    if (basePort < 1 || basePort + 2 * members - 1 > portsMax)
      throw new CommandError(`--base-port ${basePort}: ${2 * members} ports from there do not fit below ${portsMax}`)
    const taken = await firstTakenPort(portsOf(state))
    if (taken !== null) throw new CommandError(`${taken.reason}; choose another --base-port`)
    return state
  }
  for (let attempt = 0; attempt < basePortsTried; attempt++) {
    const state: State = { format: formatVersion, members, basePort: defaultBasePort + attempt * 2 * membersMax }
    if ((await firstTakenPort(portsOf(state))) === null) return state
  }
  throw new CommandError(`no ${2 * members} free ports in a row from ${defaultBasePort}; choose a --base-port`)
}

const portsOf = ({ basePort, members }: State): number[] =>
  Array.from({ length: 2 * members }, (_, offset) => basePort + offset)

/** The first port that cannot be had, and why. */
async function firstTakenPort(ports: readonly number[]): Promise<{ readonly reason: string } | null> {
  for (const port of ports) {
    const code = await failureToListen(port)
    if (code === 'EADDRINUSE') return { reason: `port ${port} is in use` }
    if (code !== null) return { reason: `port ${port} cannot be listened on (${code})` }
  }
  return null
}

function failureToListen(port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(null)))
  })
}
