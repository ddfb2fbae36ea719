import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { type AuthorityDescription, type Description, describeAuthority, describeFile } from '../pki/index.ts'
import { printable } from '../x509/index.ts'
import { jsonText } from './pki-access.ts'

export function pkiShow(path: string, { json = false }: { readonly json?: boolean }): number {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
  const described = isFolder ? describeAuthority(resolve(path)) : describeFile(path)
  process.stdout.write(json ? jsonText(described) : humanText(described))
  return 0
}

const humanText = (described: AuthorityDescription | readonly Description[]): string =>
  'rotation' in described ? authorityText(described) : described.map(descriptionText).join('\n')

/** More of them are counted, not shown. */
const shownMax = 20

/** Field names as in the JSON, one in a line, those without a value left out. */
function descriptionText({ type, ...fields }: Description): string {
  const lines = Object.entries(fields).flatMap(([name, value]) => {
    if (value === null || value === false || (Array.isArray(value) && value.length === 0)) return []
    return Array.isArray(value) ? listLines(name, value) : [`  ${name}: ${value === true ? 'yes' : value}`]
  })
  return `${type}\n${lines.join('\n')}\n`
}

function listLines(name: string, values: readonly unknown[]): string[] {
  const texts = values.map((each) =>
    typeof each === 'string' ? each : Object.values(each as Record<string, string>).join(' '),
  )
  if (texts.join(', ').length <= 100) return [`  ${name}: ${texts.join(', ')}`]
  const more = texts.length > shownMax ? [`    and ${texts.length - shownMax} more`] : []
  return [`  ${name}:`, ...texts.slice(0, shownMax).map((text) => `    ${text}`), ...more]
}

function authorityText(described: AuthorityDescription): string {
  const { kind, subject, keys, rotation, leftToRenew, crlNumber, crlNextUpdate, issued } = described
  return [
    `authority (${kind}) ${printable(subject)}`,
    ...keys.map((key) => `  key ${key.generation}: ${key.role}, until ${key.notAfter}, fingerprint ${key.fingerprint}`),
    `  rotation: ${rotation}`,
    ...(leftToRenew.length > 0 ? [`  certificates of the key before that are in use: ${leftToRenew.length}`] : []),
    `  revocation list: ${crlNextUpdate === null ? 'none yet' : `number ${crlNumber}, the next one is due by ${crlNextUpdate}`}`,
    `  issued: ${issued.length}`,
    ...issued.map((each) => {
      const reason = each.reason === null ? '' : ` (${each.reason})`
      const names = each.names.length > 0 ? ` [${each.names.map(printable).join(', ')}]` : ''
      return `    ${each.serial} ${each.status}${reason} ${each.profile} ${printable(each.subject)}${names} key ${each.generation} until ${each.notAfter}`
    }),
    '',
  ].join('\n')
}
