import { resolve } from 'node:path'
import { abortRotation, beginRotation, finishRotation, refreshTrust, switchRotation } from '../pki/index.ts'
import { CommandError } from './failure.ts'
import { type AuthorityOptions, accessOf, readPassphrase } from './pki-access.ts'

const steps = ['begin', 'switch', 'finish', 'abort', 'refresh'] as const

export interface PkiRotateAuthorityOptions
  extends AuthorityOptions,
    Partial<Readonly<Record<(typeof steps)[number], boolean>>> {
  readonly commonName?: string
  readonly days?: number
  readonly parent?: string
  readonly parentPassphraseFile?: string
  readonly force?: boolean
}

/** What to do next, once the step is done. */
const next = {
  begin: 'Give the new ca.crt to all members and clients; when all have it: --switch',
  switch: 'Renew all certificates; when that is done: --finish',
  finish: 'Give the new ca.crt to all members and clients',
  abort: 'Give ca.crt to all members and clients, as it was before',
  refresh: 'Give ca.crt to all members and clients',
} as const

export function pkiRotateAuthority(options: PkiRotateAuthorityOptions): number {
  const asked = steps.filter((each) => options[each] === true)
  const [step] = asked
  if (step === undefined || asked.length > 1)
    throw new CommandError('one of --begin, --switch, --finish, --abort, --refresh is needed')
  const parent =
    options.parent === undefined
      ? null
      : { dir: resolve(options.parent), passphrase: readPassphrase(options.parentPassphraseFile) }
  const access = accessOf(options)
  if (step === 'begin')
    beginRotation({ ...access, commonName: options.commonName ?? null, validityDays: options.days ?? null, parent })
  else if (step === 'switch') switchRotation(access)
  else if (step === 'abort') abortRotation(access)
  else if (step === 'finish') finishRotation({ ...access, force: options.force ?? false })
  else {
    if (parent === null) throw new CommandError('--refresh needs --parent')
    refreshTrust(access.dir, parent.dir)
  }
  process.stdout.write(`${next[step]}\n`)
  return 0
}
