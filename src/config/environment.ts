import { commandLineOnly, flagsByName } from './flag-table.ts'
import type { SettingTexts } from './settings.ts'

export interface EnvironmentSettings {
  readonly texts: SettingTexts
  /** Variables with one of the prefixes that name no flag. */
  readonly unknown: readonly string[]
}

/** In order of importance. */
const prefixes = ['LEASEHOLD_', 'ETCD_'] as const

/** Set by etcd's own tooling, and no flags. */
const notFlags: ReadonlySet<string> = new Set(['ETCD_UNSUPPORTED_ARCH', 'ETCD_VERSION'])

const variableOf = (flag: string): string => flag.toUpperCase().replaceAll('-', '_')

const flagByVariable: ReadonlyMap<string, string> = new Map(
  [...flagsByName.keys()].filter((name) => !commandLineOnly.has(name)).map((name) => [variableOf(name), name]),
)

/**
 * `--initial-cluster` is ETCD_INITIAL_CLUSTER or LEASEHOLD_INITIAL_CLUSTER; ours wins. An empty variable is no setting,
 * as in etcd.
 */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): EnvironmentSettings {
  const texts = new Map<string, string>()
  const unknown: string[] = []
  for (const prefix of prefixes) {
    for (const [variable, text] of Object.entries(environment)) {
      if (!variable.startsWith(prefix) || text === undefined || notFlags.has(variable)) continue
      const flag = flagByVariable.get(variable.slice(prefix.length))
      if (flag === undefined) unknown.push(variable)
      else if (text !== '' && !texts.has(flag)) texts.set(flag, text)
    }
  }
  return { texts, unknown }
}
