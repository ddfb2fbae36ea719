import { publishRevocations } from '../pki/index.ts'
import { type AuthorityOptions, accessOf, jsonText } from './pki-access.ts'

export interface PkiCrlOptions extends AuthorityOptions {
  readonly days?: number
  readonly json?: boolean
}

export function pkiCrl(options: PkiCrlOptions): number {
  const list = publishRevocations({ ...accessOf(options), listDays: options.days ?? null })
  const due = list.nextUpdate.toISOString()
  process.stdout.write(
    options.json === true
      ? jsonText(list)
      : `${list.file}: number ${list.number}, ${list.revoked} revoked, the next one is due by ${due}\n`,
  )
  return 0
}
