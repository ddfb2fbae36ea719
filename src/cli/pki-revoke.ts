import { revoke } from '../pki/index.ts'
import { type AuthorityOptions, accessOf } from './pki-access.ts'

export interface PkiRevokeOptions extends AuthorityOptions {
  readonly cert?: string
  readonly serial?: string
  readonly reason: string
  readonly crlDays?: number
}

export function pkiRevoke(options: PkiRevokeOptions): number {
  const { revoked, list } = revoke({
    ...accessOf(options),
    certFile: options.cert ?? null,
    serial: options.serial ?? null,
    reason: options.reason,
    listDays: options.crlDays ?? null,
  })
  process.stdout.write(`Revoked ${revoked.serial} (${revoked.reason}); ${list.file} is number ${list.number} now\n`)
  return 0
}
