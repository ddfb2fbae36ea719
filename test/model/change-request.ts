import { Permission_Type } from '../../src/wire/gen/auth.ts'
import {
  AuthRoleAddRequest,
  AuthRoleDeleteRequest,
  AuthRoleGrantPermissionRequest,
  AuthRoleRevokePermissionRequest,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  AuthUserDeleteRequest,
  AuthUserGrantRoleRequest,
  AuthUserRevokeRoleRequest,
} from '../../src/wire/gen/rpc.ts'
import { bytes } from '../support/commands.ts'
import type { Change } from './auth-model.ts'
import { describeRange } from './keys.ts'

const kinds = { read: Permission_Type.READ, write: Permission_Type.WRITE, readwrite: Permission_Type.READWRITE }

/** The method's path and the encoded message. */
export function encodeChange(change: Change): readonly [path: string, message: Uint8Array] {
  const [method, message] = messageOf(change)
  return [`/etcdserverpb.Auth/${method}`, message]
}

function messageOf(change: Change): readonly [method: string, message: Uint8Array] {
  switch (change.kind) {
    case 'enable':
      return ['AuthEnable', new Uint8Array(0)]
    case 'disable':
      return ['AuthDisable', new Uint8Array(0)]
    case 'addUser': {
      const { user: name, password } = change
      const options = { no_password: password === null }
      const added = { name, password: password ?? '', options, hashedPassword: '' }
      return ['UserAdd', AuthUserAddRequest.encode(added).finish()]
    }
    case 'deleteUser':
      return ['UserDelete', AuthUserDeleteRequest.encode({ name: change.user }).finish()]
    case 'changePassword': {
      const changed = { name: change.user, password: change.password, hashedPassword: '' }
      return ['UserChangePassword', AuthUserChangePasswordRequest.encode(changed).finish()]
    }
    case 'grantRole':
      return ['UserGrantRole', AuthUserGrantRoleRequest.encode({ user: change.user, role: change.role }).finish()]
    case 'revokeRole':
      return ['UserRevokeRole', AuthUserRevokeRoleRequest.encode({ name: change.user, role: change.role }).finish()]
    case 'addRole':
      return ['RoleAdd', AuthRoleAddRequest.encode({ name: change.role }).finish()]
    case 'deleteRole':
      return ['RoleDelete', AuthRoleDeleteRequest.encode({ role: change.role }).finish()]
    case 'grantPermission': {
      const { key, end } = change.range
      const perm = { permType: kinds[change.as], key: bytes(key), range_end: bytes(end) }
      return ['RoleGrantPermission', AuthRoleGrantPermissionRequest.encode({ name: change.role, perm }).finish()]
    }
    case 'revokePermission': {
      const revoked = { role: change.role, key: bytes(change.range.key), range_end: bytes(change.range.end) }
      return ['RoleRevokePermission', AuthRoleRevokePermissionRequest.encode(revoked).finish()]
    }
  }
}

export function describeChange(change: Change): string {
  const { kind, ...rest } = change
  const words = Object.entries(rest).map(([name, value]) =>
    typeof value === 'object' && value !== null ? describeRange(value) : name === 'password' ? '(password)' : value,
  )
  return [kind, ...words].join(' ')
}
