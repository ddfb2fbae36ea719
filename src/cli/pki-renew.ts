import { resolve } from 'node:path'
import { renewLeaf } from '../pki/index.ts'
import { type AuthorityOptions, accessOf } from './pki-access.ts'

export interface PkiRenewOptions extends AuthorityOptions {
  readonly cert: string
  /** Given by `rotate certificate`. */
  readonly key?: string
  readonly days?: number
  readonly revoke?: boolean
}

/** `pki renew` and `pki rotate certificate`. */
export function pkiRenew(options: PkiRenewOptions): number {
  const { cert, key, days = null, revoke = false } = options
  const { serial, replaces, notAfter } = renewLeaf({
    ...accessOf(options),
    certFile: resolve(cert),
    keyFile: key === undefined ? null : resolve(key),
    validityDays: days,
    revoke,
  })
  process.stdout.write(`${cert}: serial ${serial} replaces ${replaces}, valid until ${notAfter.toISOString()}\n`)
  return 0
}
