import { type Flag, flagGroups } from './flag-table.ts'

const built = (flag: Flag): boolean => flag.status !== 'known'

/** The flags of `serve`: those that work with what they do, and the names of those that do not yet. */
export function flagHelp(): string {
  const groups = flagGroups.map(({ title, flags }) => ({ title, flags: flags.filter(built) }))
  const known = flagGroups.flatMap(({ flags }) => flags.filter((flag) => !built(flag)).map((flag) => `--${flag.name}`))
  return [
    ...groups
      .filter(({ flags }) => flags.length > 0)
      .map(({ title, flags }) => `${title}:\n${flags.map(line).join('\n')}`),
    `Flags of etcd that are refused, unless given with etcd's default, because they are not supported yet:\n${wrap(known)}`,
  ].join('\n\n')
}

function line(flag: Flag): string {
  const value = flag.type === 'bool' && flag.default === 'false' ? '' : ` '${flag.default}'`
  const difference = flag.etcdDefault === undefined ? '' : ` (etcd 3.4: ${flag.etcdDefault})`
  return `  --${flag.name}${value}${difference}\n      ${flag.help}`
}

function wrap(names: readonly string[]): string {
  const lines = ['']
  for (const name of names) {
    if (`${lines.at(-1)} ${name}`.length > 100) lines.push('')
    lines[lines.length - 1] += ` ${name}`
  }
  return lines.map((text) => ` ${text}`).join('\n')
}
