import { readArguments } from './arguments.ts'
import { readConfigFile } from './config-file.ts'
import { readEnvironment } from './environment.ts'
import { Settings } from './settings.ts'

/** Where settings come from; the caller owns process, environment and disk. */
export interface SettingSources {
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Text of the configuration file. @throws ConfigError if it cannot be read. */
  readonly readFile: (path: string) => string
}

export interface LoadedSettings {
  readonly settings: Settings
  /** What was given and has no effect; one sentence each. */
  readonly warnings: readonly string[]
}

/**
 * The command line wins over LEASEHOLD_ variables, these over ETCD_ variables; but a configuration file, named by flag
 * or variable, replaces all of them, as in etcd.
 *
 * @throws ConfigError
 */
export function loadSettings({ args, environment, readFile }: SettingSources): LoadedSettings {
  const fromArguments = readArguments(args)
  const fromEnvironment = readEnvironment(environment)
  const warnings = fromEnvironment.unknown.map((variable) => `environment variable ${variable} is not known`)

  const file = fromArguments.get('config-file') ?? fromEnvironment.texts.get('config-file') ?? ''
  if (file !== '') {
    const ignored = new Set([...fromArguments.keys(), ...fromEnvironment.texts.keys()])
    ignored.delete('config-file')
    for (const name of ignored) warnings.push(`--${name} has no effect beside --config-file`)
    return { settings: new Settings([readConfigFile(readFile(file))]), warnings }
  }
  for (const name of fromEnvironment.texts.keys())
    if (fromArguments.has(name)) warnings.push(`the flag --${name} overrides its environment variable`)
  return { settings: new Settings([fromArguments, fromEnvironment.texts]), warnings }
}
