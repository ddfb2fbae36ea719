import { relative } from 'node:path'
import type { ClientFiles, ProbedMember } from './cluster-probe.ts'
import type { PlannedMember } from './quickstart-plan.ts'

/** What etcdctl reads from the environment. */
export function etcdctlEnvironment(members: readonly PlannedMember[], files: ClientFiles): Record<string, string> {
  return {
    ETCDCTL_API: '3',
    ETCDCTL_ENDPOINTS: members.map((member) => member.clientUrl).join(','),
    ETCDCTL_CACERT: files.caFile,
    ETCDCTL_CERT: files.certFile,
    ETCDCTL_KEY: files.keyFile,
  }
}

export function memberTable(members: readonly PlannedMember[], probed: readonly ProbedMember[]): string {
  const rows = members.map((member, index) => {
    const { id = '', isLeader = false } = probed[index] ?? {}
    return [member.name, id, member.clientUrl, member.peerUrl, isLeader ? 'leader' : 'follower']
  })
  return table([['MEMBER', 'ID', 'CLIENTS', 'PEERS', 'ROLE'], ...rows])
}

/** Commands to paste into another terminal in `cwd`. */
export function etcdctlExamples(members: readonly PlannedMember[], files: ClientFiles, cwd: string): string {
  const path = (file: string): string => quote(shorter(file, relative(cwd, file)))
  const etcdctl = [
    'ETCDCTL_API=3 etcdctl',
    `--endpoints ${members.map((member) => new URL(member.clientUrl).host).join(',')}`,
    `--cacert ${path(files.caFile)} --cert ${path(files.certFile)} --key ${path(files.keyFile)}`,
  ].join(' ')
  const commands = [
    'put greeting hello',
    'get greeting',
    "watch '' --prefix",
    'member list -w table',
    'endpoint status -w table',
  ]
  return commands.map((command) => `  ${etcdctl} ${command}\n`).join('')
}

const shorter = (a: string, b: string): string => (b !== '' && b.length < a.length ? b : a)

const quote = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd())
    .map((line) => `${line}\n`)
    .join('')
}
