import { isIP } from 'node:net'
import { ConfigError } from './config-error.ts'

/** A URL of a flag. `text` is as given: ids and comparisons between members depend on its exact spelling. */
export interface GivenUrl {
  readonly text: string
  readonly url: URL
}

/**
 * scheme://host:port and nothing more, with http or https.
 *
 * @throws ConfigError naming `flag`.
 */
export function parseGivenUrl(flag: string, text: string): GivenUrl {
  const match = /^(\w+):\/\/(\[[^\]]*\]|[^/:@?#]*)(?::(\d*))?(.*)$/s.exec(text)
  if (match === null) throw new ConfigError(flag, `${JSON.stringify(text)} is not a URL such as https://10.0.0.1:2379`)
  const [, scheme, host, port, rest] = match
  if (scheme !== 'http' && scheme !== 'https') throw new ConfigError(flag, `${text}: the scheme must be http or https`)
  if (rest !== '') throw new ConfigError(flag, `${text}: nothing may follow host and port`)
  if (host === '' || host === '[]') throw new ConfigError(flag, `${text}: the host is missing`)
  const portNumber = Number(port || Number.NaN)
  if (!(portNumber >= 1 && portNumber <= 65535)) throw new ConfigError(flag, `${text}: needs a port from 1 to 65535`)
  if (!URL.canParse(text)) throw new ConfigError(flag, `${text}: the host is not valid`)
  return { text, url: new URL(text) }
}

/** @throws ConfigError if there is none, one is malformed, or one is there twice. */
export function parseGivenUrls(flag: string, texts: readonly string[]): GivenUrl[] {
  if (texts.length === 0) throw new ConfigError(flag, 'needs at least one URL')
  const seen = new Set<string>()
  return texts.map((text) => {
    const given = parseGivenUrl(flag, text)
    if (seen.has(given.url.href)) throw new ConfigError(flag, `${text} is there twice`)
    seen.add(given.url.href)
    return given
  })
}

/** Host without the brackets that IPv6 addresses have in URLs. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, '$1')

/** A name other than localhost could resolve to another interface tomorrow. */
export function requireBindable(flag: string, { text, url }: GivenUrl): void {
  const host = hostOf(url)
  if (host !== 'localhost' && isIP(host) === 0)
    throw new ConfigError(flag, `${text}: a listener needs an IP address or localhost, not a name`)
}

export function isLoopback(url: URL): boolean {
  const host = hostOf(url)
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}
