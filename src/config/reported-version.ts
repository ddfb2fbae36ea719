import { ConfigError } from './config-error.ts'

/**
 * The etcd version that this program says it is, from which clients choose what to ask for. Kubernetes takes consistent
 * lists from its watch cache from 3.5.13 on, and kubeadm wants 3.5.24 of an etcd that it did not start; the API of 3.6
 * is served too, but what 3.6 refuses in other words than 3.5 (calls on a learner) is refused in 3.5's.
 */
export const reportedVersionDefault = '3.5.30'

const flag = 'reported-version'
const minorMin = 4
const minorMax = 6
const version = /^3\.(\d{1,2})\.\d{1,4}(-[0-9A-Za-z.-]{1,64})?$/

/** @throws ConfigError unless `text` is three numbers, and a version whose API is served. */
export function parseReportedVersion(text: string): string {
  const minor = version.exec(text)?.[1]
  if (minor === undefined)
    throw new ConfigError(flag, `${JSON.stringify(text)} is not a version of etcd 3 such as ${reportedVersionDefault}`)
  if (Number(minor) > minorMax)
    throw new ConfigError(
      flag,
      `${text} promises KV.RangeStream, which clients of etcd 3.7 use and this program does not have; 3.${minorMax} is the highest`,
    )
  if (Number(minor) < minorMin)
    throw new ConfigError(flag, `${text} is older than the API that is served; 3.${minorMin} is the lowest`)
  return text
}
