import { parseDocument, visit } from 'yaml'
import { ConfigError } from './config-error.ts'
import { commandLineOnly, type Flag, flagsByName } from './flag-table.ts'
import type { SettingTexts } from './settings.ts'

/**
 * A section's keys and the flags they stand for. The last three are missing in etcd 3.4, which ignores them silently.
 */
const sections: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map([
  [
    'client-transport-security',
    new Map([
      ['cert-file', 'cert-file'],
      ['key-file', 'key-file'],
      ['client-cert-auth', 'client-cert-auth'],
      ['trusted-ca-file', 'trusted-ca-file'],
      ['auto-tls', 'auto-tls'],
      ['crl-file', 'client-crl-file'],
      ['allowed-hostname', 'client-cert-allowed-hostname'],
    ]),
  ],
  [
    'peer-transport-security',
    new Map([
      ['cert-file', 'peer-cert-file'],
      ['key-file', 'peer-key-file'],
      ['client-cert-auth', 'peer-client-cert-auth'],
      ['trusted-ca-file', 'peer-trusted-ca-file'],
      ['auto-tls', 'peer-auto-tls'],
      ['crl-file', 'peer-crl-file'],
      ['allowed-cn', 'peer-cert-allowed-cn'],
      ['allowed-hostname', 'peer-cert-allowed-hostname'],
    ]),
  ],
])

/**
 * Reads etcd's configuration file: YAML with flag names as keys, and the two sections for TLS. Unlike etcd, which
 * skips what it does not know, a key that is not understood is refused: it may be a misspelt protection.
 *
 * @throws ConfigError naming the key.
 */
export function readConfigFile(yaml: string): SettingTexts {
  const content = parse(yaml)
  if (content === null) return new Map()
  const texts = new Map<string, string>()
  for (const [key, value] of entries(content, 'the file')) {
    const section = sections.get(key)
    if (section === undefined) {
      add(texts, key, key, value)
      continue
    }
    if (value === null) continue
    for (const [sectionKey, sectionValue] of entries(value, key))
      add(texts, section.get(sectionKey), `${key}.${sectionKey}`, sectionValue)
  }
  return texts
}

/** A number with its spelling: a name or token such as 007 or 1e3 is that text, as in etcd. */
class NumberText {
  readonly number: number
  readonly source: string
  constructor(number: number, source: string) {
    this.number = number
    this.source = source
  }
}

function parse(yaml: string): unknown {
  const document = parseDocument(yaml, { uniqueKeys: true })
  // A warning is something that the parser did not understand and left out.
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem !== undefined) throw new ConfigError('config-file', firstLine(problem.message), { cause: problem })
  visit(document, {
    Scalar(key, node) {
      if (typeof node.value !== 'number' || key === 'key') return
      node.value = new NumberText(node.value, node.source ?? String(node.value))
    },
  })
  try {
    return document.toJS()
  } catch (cause) {
    // Aliases of nothing, or too many.
    throw new ConfigError('config-file', firstLine(cause instanceof Error ? cause.message : String(cause)), { cause })
  }
}

function add(texts: Map<string, string>, name: string | undefined, key: string, value: unknown): void {
  const flag =
    name === undefined || commandLineOnly.has(name) || name === 'config-file' ? undefined : flagsByName.get(name)
  if (flag === undefined) throw new ConfigError('config-file', `unknown key ${key}`)
  if (value === null) return
  if (texts.has(flag.name)) throw new ConfigError('config-file', `${key} is there twice, at the top and in a section`)
  texts.set(flag.name, textOf(flag, key, value))
}

function textOf(flag: Flag, key: string, value: unknown): string {
  if (typeof value === 'string' || typeof value === 'boolean') return String(value)
  // A number where Go has a time.Duration is nanoseconds.
  if (value instanceof NumberText)
    return flag.type === 'duration' && value.number !== 0 ? `${value.number}ns` : value.source
  if (Array.isArray(value) && (flag.type === 'list' || flag.type === 'urls') && value.every(isText))
    return value.join(',')
  throw new ConfigError('config-file', `${key} has a value of the wrong kind`)
}

const isText = (value: unknown): value is string => typeof value === 'string'

function entries(value: unknown, what: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof NumberText)
    throw new ConfigError('config-file', `${what} is not a list of keys and values`)
  return Object.entries(value)
}

const firstLine = (text: string): string => text.split('\n', 1)[0]!.replace(/:$/, '')
