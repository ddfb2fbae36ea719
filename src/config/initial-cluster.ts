import { ConfigError } from './config-error.ts'
import { parseGivenUrl } from './urls.ts'

const flag = 'initial-cluster'

/** Reads `name=url,name=url`; a name may come several times, with one URL each. */
export function parseInitialCluster(text: string): Map<string, string[]> {
  const members = new Map<string, string[]>()
  const urls = new Set<string>()
  for (const part of text.split(',').map((part) => part.trim())) {
    const at = part.indexOf('=')
    const name = part.slice(0, at)
    if (at < 1) throw new ConfigError(flag, `${JSON.stringify(part)} is not name=URL`)
    const given = parseGivenUrl(flag, part.slice(at + 1))
    if (urls.has(given.url.href)) throw new ConfigError(flag, `${given.text} is there twice`)
    urls.add(given.url.href)
    members.set(name, [...(members.get(name) ?? []), given.text])
  }
  return members
}

/**
 * The cluster must know this member as it will announce itself. Texts are compared: `localhost` and `127.0.0.1` differ,
 * and so would the ids made from them.
 */
export function requireSelf(
  members: ReadonlyMap<string, readonly string[]>,
  name: string,
  advertisedPeerUrls: readonly string[],
): void {
  const own = members.get(name)
  if (own === undefined)
    throw new ConfigError(flag, `has no member named ${JSON.stringify(name)}, this member's --name`)
  for (const url of own)
    if (!advertisedPeerUrls.includes(url))
      throw new ConfigError(flag, `has ${name}=${url}, which --initial-advertise-peer-urls does not have`)
  for (const url of advertisedPeerUrls)
    if (!own.includes(url))
      throw new ConfigError(flag, `does not have ${name}=${url}, which --initial-advertise-peer-urls has`)
}
