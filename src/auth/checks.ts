import { compareBytes, equalBytes } from '../base/bytes.ts'
import { isEmptyRange, rangeFromWire } from '../base/key-range.ts'
import { EtcdError } from '../errors.ts'
import { type Permission, Permission_Type } from '../wire/gen/auth.ts'
import type { AuthUser } from '../wire/gen/internal.ts'
import { rootName } from './built-in-roles.ts'
import { isNameTooLong } from './records.ts'

/** @throws EtcdError `empty`; invalidAuthManagement for a name that is too long. */
export function checkName(name: string, empty: 'userEmpty' | 'roleEmpty'): void {
  if (name === '') throw new EtcdError(empty)
  if (isNameTooLong(name)) throw new EtcdError('invalidAuthManagement', { cause: 'the name is too long' })
}

/** Whether somebody has the role root and something to log in with. Who has no password needs a certificate, and may have one. */
export const canAdminister = ({ roles, no_password, password_hash }: AuthUser): boolean =>
  roles.includes(rootName) && (no_password || password_hash !== '')

/** A permission must name keys, and one of the three kinds. @source etcd 3.4.25 and later, isValidPermissionRange. */
export function checkPermission({ permType, key, range_end }: Permission): void {
  const isKind = permType >= Permission_Type.READ && permType <= Permission_Type.READWRITE
  if (!isKind || key.length === 0 || isEmptyRange(rangeFromWire(key, range_end))) {
    throw new EtcdError('invalidAuthManagement')
  }
}

/** Permissions of a role are named by their ranges. */
export const isOfSameRange = (a: Permission, b: Permission): boolean =>
  equalBytes(a.key, b.key) && equalBytes(a.range_end, b.range_end)

export const comparePermissions = (a: Permission, b: Permission): number =>
  compareBytes(a.key, b.key) || compareBytes(a.range_end, b.range_end)
