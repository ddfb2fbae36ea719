import { type Permission, Permission_Type } from '../../src/wire/gen/auth.ts'
import { PolicyApplyRequest, TokenRevokeRequest } from '../../src/wire/gen/leasehold.ts'
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
import { describeRange, type WireRange } from './keys.ts'
import type { Change, Deed, Kind, Policy } from './rules.ts'

const kinds = { read: Permission_Type.READ, write: Permission_Type.WRITE, readwrite: Permission_Type.READWRITE }

/** What is asked of who makes the change. Whoever shows a token may end it. */
export const deedOfChange = (change: Change, shown: number | 'forged' | null): Deed =>
  change.kind === 'revokeToken' && change.token === shown ? { kind: 'known' } : { kind: 'root' }

/** The method's path and the encoded message. @param idOf the id of a signed token, by its number. */
export function encodeChange(
  change: Change,
  idOf: (token: number) => string,
): readonly [path: string, message: Uint8Array] {
  switch (change.kind) {
    case 'applyPolicy':
      return ['/leasehold.v1.Policies/Apply', encodePolicy(change.policy)]
    case 'revokeToken': {
      const revoked = { id: idOf(change.token), user: '', expires_ms: 0n }
      return ['/leasehold.v1.Tokens/Revoke', TokenRevokeRequest.encode(revoked).finish()]
    }
    case 'revokeUserTokens': {
      const revoked = { id: '', user: change.user, expires_ms: 0n }
      return ['/leasehold.v1.Tokens/Revoke', TokenRevokeRequest.encode(revoked).finish()]
    }
    default: {
      const [method, message] = messageOf(change)
      return [`/etcdserverpb.Auth/${method}`, message]
    }
  }
}

type EtcdChange = Exclude<Change, { kind: 'applyPolicy' | 'revokeToken' | 'revokeUserTokens' }>

function messageOf(change: EtcdChange): readonly [method: string, message: Uint8Array] {
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
      const perm = permissionOf(change.range, change.as)
      return ['RoleGrantPermission', AuthRoleGrantPermissionRequest.encode({ name: change.role, perm }).finish()]
    }
    case 'revokePermission': {
      const revoked = { role: change.role, key: bytes(change.range.key), range_end: bytes(change.range.end) }
      return ['RoleRevokePermission', AuthRoleRevokePermissionRequest.encode(revoked).finish()]
    }
  }
}

const permissionOf = ({ key, end }: WireRange, as: Kind): Permission => ({
  permType: kinds[as],
  key: bytes(key),
  range_end: bytes(end),
})

function encodePolicy({ expectedRevision, putRoles, deleteRoles, putUsers, deleteUsers }: Policy): Uint8Array {
  return PolicyApplyRequest.encode({
    expected_auth_revision: BigInt(expectedRevision),
    put_roles: putRoles.map(({ role, grants }) => ({
      name: role,
      permissions: grants.map(({ range, as }) => permissionOf(range, as)),
    })),
    delete_roles: [...deleteRoles],
    put_users: putUsers.map(({ user, roles, noPassword }) => ({
      name: user,
      roles: [...roles],
      no_password: noPassword,
    })),
    delete_users: [...deleteUsers],
    put_groups: [],
    delete_groups: [],
  }).finish()
}

/** Without passwords. */
export function describeChange(change: Change): string {
  switch (change.kind) {
    case 'enable':
    case 'disable':
      return change.kind
    case 'grantRole':
    case 'revokeRole':
      return `${change.kind} ${change.user} ${change.role}`
    case 'grantPermission':
      return `grantPermission ${change.role} ${change.as} ${describeRange(change.range)}`
    case 'revokePermission':
      return `revokePermission ${change.role} ${describeRange(change.range)}`
    case 'applyPolicy':
      return describePolicy(change.policy)
    case 'revokeToken':
      return `revokeToken ${change.token}`
    case 'addRole':
    case 'deleteRole':
      return `${change.kind} ${change.role}`
    default:
      return `${change.kind} ${change.user}`
  }
}

function describePolicy({ expectedRevision, putRoles, deleteRoles, putUsers, deleteUsers }: Policy): string {
  const roles = putRoles.map(
    ({ role, grants }) => `${role}: ${grants.map(({ range, as }) => `${as} ${describeRange(range)}`).join(' ')}`,
  )
  const users = putUsers.map(({ user, roles, noPassword }) => `${user}${noPassword ? '*' : ''}: ${roles.join(' ')}`)
  const parts = [
    `roles {${roles.join('; ')}} without ${deleteRoles}`,
    `users {${users.join('; ')}} without ${deleteUsers}`,
  ]
  return `applyPolicy on ${expectedRevision}: ${parts.join(', ')}`
}
