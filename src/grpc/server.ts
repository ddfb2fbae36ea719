import { formatId } from '../base/ids.ts'
import type { AuthTokenConfig } from '../config/auth-token.ts'
import type { TokensConfig } from '../config/token-settings.ts'
import { Jwt } from '../security/jwt.ts'
import { accessOf } from '../service/access.ts'
import { createHealthService } from '../service/health.ts'
import { Login, type PasswordHasher } from '../service/login.ts'
import type { LoginGuard } from '../service/login-guard.ts'
import { NewPasswords } from '../service/new-passwords.ts'
import { createWatchService } from '../service/watch.ts'
import type { WatchCounts } from '../service/watch-counts.ts'
import { TokenAuthority } from '../tokens/token-authority.ts'
import { methodNames } from './method.ts'
import { methodTable } from './methods.ts'
import { startTransport, type Transport, type TransportOptions } from './transport.ts'

export interface ServeClientsOptions extends Omit<TransportOptions, 'table'> {
  /** Whether clients may ask what can be called here. */
  readonly enableGrpcReflection: boolean
  /** Where passwords are looked at, and what keeps guessers from it. */
  readonly passwords: { readonly hasher: PasswordHasher; readonly guard: LoginGuard }
  /** Characters that a new password must have. */
  readonly passwordLengthMin: number
  /** What users get for their password. */
  readonly authToken: AuthTokenConfig
  /** What else is taken for a token. */
  readonly tokens: TokensConfig
  /** Counted up here, if given. */
  readonly watchCounts?: WatchCounts
}
export type ClientServer = Transport

/** Null: no signed tokens but those that users log in for. */
async function tokenKeysOf({ tokens, member, log }: ServeClientsOptions): Promise<TokenAuthority | null> {
  if (tokens.own === null && tokens.outside === null) return null
  return TokenAuthority.open(tokens, formatId(member.info.clusterId), log)
}

/**
 * Serves the client API of `options.member` on all of `listenUrls`.
 *
 * @throws TlsFileError, or the system's error if an address cannot be listened on; nothing is left listening then.
 */
export async function serveClients(options: ServeClientsOptions): Promise<ClientServer> {
  const { member, log, watchCounts } = options
  const watch = createWatchService(member, { log, ...(watchCounts === undefined ? {} : { counts: watchCounts }) })
  const health = createHealthService(options.member, Object.keys(methodNames))
  const { hasher, guard } = options.passwords
  const passwords = new NewPasswords(hasher, options.passwordLengthMin, log)
  const jwt = options.authToken.kind === 'jwt' ? await Jwt.open(options.authToken) : null
  if (jwt !== null) accessOf(options.member).useJwt(jwt)
  const keys = await tokenKeysOf(options)
  if (keys !== null) accessOf(options.member).useKeys(keys)
  const login = new Login(hasher, log, guard, jwt)
  let transport: Transport
  try {
    transport = await startTransport({
      ...options,
      table: methodTable({ watch, health, login, passwords, reflection: options.enableGrpcReflection }),
    })
  } catch (error) {
    keys?.close()
    watch.close()
    throw error
  }
  return {
    addresses: transport.addresses,
    async close(drainMs) {
      health.stop()
      // Watches never end by themselves: their clients are told to go elsewhere first.
      watch.close()
      await transport.close(drainMs)
      keys?.close()
    },
  }
}
