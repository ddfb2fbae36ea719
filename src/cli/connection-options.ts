import { type Command, Option } from 'commander'
import { parseDurationMs } from '../config/flag-values.ts'
import { isLoopback } from '../config/urls.ts'
import { CommandError } from './failure.ts'
import { given } from './option-values.ts'
import { readFile } from './read-file.ts'

/** As commander gives them: etcdctl's flags and variables, and tokens. */
export interface ConnectionOptions {
  /** Comma-separated. */
  readonly endpoints: string
  readonly cacert?: string
  readonly cert?: string
  readonly key?: string
  /** Name, or name:password. */
  readonly user?: string
  readonly password?: string
  readonly token?: string
  readonly tokenFile?: string
  readonly insecureSkipTlsVerify?: boolean
  readonly insecureTransport?: boolean
  readonly dialTimeout: string
  readonly commandTimeout: string
}

/** Adds what it takes to reach a cluster, and to be known there. */
export const withConnection = (command: Command): Command => {
  for (const [flags, variable, description] of [
    ['--cacert <file>', 'ETCDCTL_CACERT', 'the authority that the servers’ certificates must be of'],
    ['--cert <file>', 'ETCDCTL_CERT', 'certificate to show'],
    ['--key <file>', 'ETCDCTL_KEY', 'its key'],
    ['--user <name[:password]>', 'ETCDCTL_USER', 'user to log in as'],
    [
      '--password <password>',
      'ETCDCTL_PASSWORD',
      'its password: better in the variable, for all can see a command line',
    ],
    ['--token <token>', 'ETCDCTL_TOKEN', 'token to show instead; the same holds of it'],
    ['--token-file <file>', 'ETCDCTL_TOKEN_FILE', 'file with that token'],
  ] as const) {
    command.addOption(new Option(flags, description).env(variable).argParser(given))
  }
  return command
    .hook('preAction', (_, action) => preferTyped(action))
    .addOption(
      new Option('--endpoints <list>', 'where to ask, the next one if one cannot be reached')
        .env('ETCDCTL_ENDPOINTS')
        .default('127.0.0.1:2379'),
    )
    .addOption(
      flag('--insecure-skip-tls-verify', 'take any certificate of a server').env('ETCDCTL_INSECURE_SKIP_TLS_VERIFY'),
    )
    .addOption(flag('--insecure-transport', 'allow plaintext beyond this machine').env('ETCDCTL_INSECURE_TRANSPORT'))
    .addOption(new Option('--dial-timeout <duration>', 'for one endpoint').env('ETCDCTL_DIAL_TIMEOUT').default('2s'))
    .addOption(new Option('--command-timeout <duration>', 'for one call').env('ETCDCTL_COMMAND_TIMEOUT').default('5s'))
}

const flag = (name: string, description: string): Option => new Option(name, description)

/** Whoever types who calls does not mean the one of the environment as well. */
function preferTyped(command: Command): void {
  const ways = ['user', 'token', 'tokenFile']
  if (!ways.some((way) => command.getOptionValueSource(way) === 'cli')) return
  for (const way of ways) {
    if (command.getOptionValueSource(way) === 'env') command.setOptionValue(way, undefined)
  }
}

export interface Endpoint {
  /** host:port, an IPv6 address in brackets. */
  readonly address: string
  readonly host: string
  readonly isSecure: boolean
}

/**
 * As etcd's clients read them: https:// asks for TLS, http:// for none, and where nothing is said files for TLS do.
 *
 * @throws CommandError also for plaintext beyond this machine that nobody has asked for.
 */
export function endpointsOf(options: ConnectionOptions): Endpoint[] {
  const hasTls = options.cacert !== undefined || options.cert !== undefined || options.insecureSkipTlsVerify === true
  const endpoints = options.endpoints
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map((text) => {
      const scheme = /^(https?):\/\//.exec(text)?.[1] ?? (hasTls ? 'https' : 'http')
      const rest = text.replace(/^https?:\/\//, '').replace(/\/$/, '')
      const url = URL.canParse(`${scheme}://${rest}`) ? new URL(`${scheme}://${rest}`) : null
      if (url === null || url.pathname !== '/' || !/:\d+$/.test(rest) || url.username !== '' || url.search !== '') {
        throw new CommandError(`--endpoints: ${JSON.stringify(text)} is not host:port`)
      }
      if (scheme === 'http' && !isLoopback(url) && options.insecureTransport !== true) {
        throw new CommandError(
          `--endpoints: ${text} would be plaintext beyond this machine: use https and --cacert, or --insecure-transport`,
        )
      }
      return { address: rest, host: url.hostname.replace(/^\[(.*)\]$/, '$1'), isSecure: scheme === 'https' }
    })
  if (endpoints.length === 0) throw new CommandError('--endpoints: there is none')
  return endpoints
}

/** How a caller shows who it is, beside its certificate. */
export type Showing =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'login'; readonly name: string; readonly password: string }

/** @throws CommandError if there is too much of it, or a password is missing. */
export function showingOf({ user, password, token, tokenFile }: ConnectionOptions): Showing {
  if ([user, token, tokenFile].filter((value) => value !== undefined).length > 1) {
    throw new CommandError('use one of --user, --token and --token-file')
  }
  if (token !== undefined) return { kind: 'token', token }
  if (tokenFile !== undefined) return { kind: 'token', token: readToken(tokenFile) }
  if (user === undefined) return { kind: 'nothing' }
  const colon = user.indexOf(':')
  if (password !== undefined) return { kind: 'login', name: user, password }
  if (colon === -1)
    throw new CommandError('--user: no password is given: ETCDCTL_PASSWORD, --password or name:password')
  return { kind: 'login', name: user.slice(0, colon), password: user.slice(colon + 1) }
}

const tokenFileBytesMax = 64 * 1024

/** @throws CommandError that does not quote it. */
function readToken(file: string): string {
  const bytes = readFile(file)
  const token = bytes.toString('latin1').trim()
  if (token === '' || bytes.length > tokenFileBytesMax || !/^[\x21-\x7e]+$/.test(token)) {
    throw new CommandError(`${file}: there is no token in it`)
  }
  return token
}

/** @throws CommandError */
export function durationOf(option: string, text: string): number {
  const ms = parseDurationMs(option, text)
  if (ms < 1 || ms > 24 * 60 * 60 * 1000) throw new CommandError(`--${option}: ${text} is not from 1ms to 24h`)
  return Math.ceil(ms)
}
