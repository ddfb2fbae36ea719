import { ConfigError } from './config-error.ts'
import { type Flag, flagsByName } from './flag-table.ts'
import { parseBool, parseDurationMs } from './flag-values.ts'

/** Texts of settings by flag name, from one source: the command line, the environment or a file. */
export type SettingTexts = ReadonlyMap<string, string>

/** The settings in force: each from the first source that has it, else the flag's default. */
export class Settings {
  readonly #sources: readonly SettingTexts[]

  /** @param sources the most important first. Their names are all in the flag table. */
  constructor(sources: readonly SettingTexts[]) {
    this.#sources = sources
  }

  isSet(name: string): boolean {
    return this.#sources.some((source) => source.has(name))
  }

  text(name: string): string {
    for (const source of this.#sources) {
      const text = source.get(name)
      if (text !== undefined) return text
    }
    return flagOf(name).default
  }

  bool(name: string): boolean {
    return parseBool(name, this.text(name))
  }

  durationMs(name: string): number {
    return parseDurationMs(name, this.text(name))
  }

  /** Integer between the bounds, both included. */
  integer(name: string, min: number, max: number): number {
    const text = this.text(name)
    const value = /^[+-]?\d{1,20}$/.test(text) ? Number(text) : Number.NaN
    if (Number.isNaN(value)) throw new ConfigError(name, `${JSON.stringify(text)} is not a whole number`)
    if (value < min || value > max) throw new ConfigError(name, `${text} is not between ${min} and ${max}`)
    return value
  }

  /** Comma-separated parts without surrounding blanks; none for an empty text. */
  list(name: string): string[] {
    const text = this.text(name).trim()
    return text === '' ? [] : text.split(',').map((part) => part.trim())
  }

  /** Refuses what etcd can do and this program cannot: ignoring it could leave a listener less protected than meant. */
  refuseUnsupported(): void {
    for (const source of this.#sources)
      for (const name of source.keys()) refuseUnsupported(flagOf(name), this.text(name))
  }
}

function flagOf(name: string): Flag {
  const flag = flagsByName.get(name)
  if (flag === undefined) throw new ConfigError(name, 'is not a known flag')
  return flag
}

function refuseUnsupported(flag: Flag, text: string): void {
  if (flag.status === 'built') return
  const accepted = flag.status === 'known' ? [flag.default] : flag.status.fixed
  if (accepted.some((value) => sameValue(flag, value, text))) return
  if (flag.status === 'known') throw new ConfigError(null, `flag --${flag.name} is not supported yet`)
  throw new ConfigError(flag.name, `only ${accepted.join(' or ')} is supported, not ${JSON.stringify(text)}`)
}

/** The same setting may be written in several ways: true and 1, 1m and 60s. */
function sameValue(flag: Flag, a: string, b: string): boolean {
  if (a === b) return true
  switch (flag.type) {
    case 'bool':
      return parseBool(flag.name, a) === parseBool(flag.name, b)
    case 'duration':
      return parseDurationMs(flag.name, a) === parseDurationMs(flag.name, b)
    case 'uint':
    case 'int':
      return a !== '' && b.trim() !== '' && Number(a) === Number(b)
    default:
      return false
  }
}
