import { ConfigError } from './config-error.ts'
import type { MemberConfig } from './member-config.ts'
import type { Settings } from './settings.ts'
import { clientTlsFlags, requireSafeListener } from './tls-settings.ts'
import { type GivenUrl, parseGivenUrls, requireBindable } from './urls.ts'

export const metricsUrlsFlag = 'listen-metrics-urls'

/**
 * Empty if there are none. Unlike on the client port, plaintext beside certificates is a usual wish here, and as harmless
 * as what is served; beyond this machine it needs `insecure` like any other.
 */
export function metricsUrlsOf(settings: Settings, tls: MemberConfig['clientTls'], insecure: boolean): GivenUrl[] {
  const texts = settings.list(metricsUrlsFlag)
  if (texts.length === 0) return []
  const urls = parseGivenUrls(metricsUrlsFlag, texts)
  for (const given of urls) {
    requireBindable(metricsUrlsFlag, given)
    if (given.url.protocol === 'https:' && tls === null)
      throw new ConfigError(metricsUrlsFlag, `${given.text} needs --${clientTlsFlags.cert} and --${clientTlsFlags.key}`)
    requireSafeListener(metricsUrlsFlag, given, insecure, tls)
  }
  return urls
}

export function metricsOf(settings: Settings): MemberConfig['metrics'] {
  const text = settings.text('metrics')
  if (text !== 'basic' && text !== 'extensive')
    throw new ConfigError('metrics', `must be basic or extensive, not ${JSON.stringify(text)}`)
  return text
}
