import { ConfigError } from './config-error.ts'
import { flagsByName } from './flag-table.ts'
import type { SettingTexts } from './settings.ts'

/**
 * Reads a command line as Go's flag package does, because unit files and manifests written for etcd rely on it:
 * `-flag` is `--flag`, a value follows `=` or is the next argument, and a boolean takes a value after `=` only.
 * The last of several wins.
 *
 * @throws ConfigError for an unknown flag, a missing value, or an argument that is no flag.
 */
export function readArguments(args: readonly string[]): SettingTexts {
  const texts = new Map<string, string>()
  for (let at = 0; at < args.length; at++) {
    const argument = args[at]!
    const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(argument)
    if (match === null) throw new ConfigError(null, `${JSON.stringify(argument)} is not a flag`)
    const name = match[1]!.toLowerCase() === 'h' ? 'help' : match[1]!
    const flag = flagsByName.get(name)
    if (flag === undefined) throw new ConfigError(null, `unknown flag --${name}`)
    let text = match[2]
    if (text === undefined) {
      if (flag.type === 'bool') text = 'true'
      else {
        at++
        text = args[at]
        if (text === undefined) throw new ConfigError(name, 'needs a value')
      }
    }
    texts.set(name, text)
  }
  return texts
}
