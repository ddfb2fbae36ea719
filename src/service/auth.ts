import { changeJson } from '../audit/change-json.ts'
import { isBuiltInRole, rootName } from '../auth/built-in-roles.ts'
import { auditing, type Operation, root } from '../auth/operation.ts'
import { getRole, getUser, listRoles, listUsers } from '../auth/records.ts'
import { EtcdError } from '../errors.ts'
import { getRevision } from '../mvcc/meta.ts'
import type { ReadView } from '../mvcc/view.ts'
import { Permission_Type } from '../wire/gen/auth.ts'
import { AuthChange, type AuthRole } from '../wire/gen/internal.ts'
import {
  AuthDisableRequest,
  AuthEnableRequest,
  AuthRoleAddRequest,
  AuthRoleDeleteRequest,
  AuthRoleGetRequest,
  AuthRoleGetResponse,
  AuthRoleGrantPermissionRequest,
  AuthRoleListRequest,
  AuthRoleListResponse,
  AuthRoleRevokePermissionRequest,
  AuthStatusRequest,
  AuthStatusResponse,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  AuthUserDeleteRequest,
  AuthUserGetRequest,
  AuthUserGetResponse,
  AuthUserGrantRoleRequest,
  AuthUserListRequest,
  AuthUserListResponse,
  AuthUserRevokeRoleRequest,
} from '../wire/gen/rpc.ts'
import { accessOf, admit, requireAccess } from './access.ts'
import { refuseTooLarge } from './admission.ts'
import type { Call } from './call.ts'
import { decodeRequest } from './decode.ts'
import type { Member } from './member.ts'
import type { NewPasswords } from './new-passwords.ts'
import { proposeAndRespond, respond } from './respond.ts'

/** The Auth service but for logging in. What a change is refused for is decided where it is applied: `auth/change.ts`. */

type Change = NonNullable<AuthChange['change']>

function change(member: Member, call: Call, made: Change): Promise<Uint8Array> {
  const request = AuthChange.encode({ change: made }).finish()
  refuseTooLarge(member, request)
  call.audit?.detail(changeJson(made))
  return proposeAndRespond(
    member,
    call,
    'auth',
    request,
    admit(member, call, () => root),
  )
}

export function authEnable(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  decodeRequest(AuthEnableRequest, bytes)
  return change(member, call, { $case: 'enable', value: {} })
}

export function authDisable(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  decodeRequest(AuthDisableRequest, bytes)
  return change(member, call, { $case: 'disable', value: { now_ms: BigInt(Date.now()) } })
}

export async function userAdd(
  passwords: NewPasswords,
  member: Member,
  bytes: Uint8Array,
  call: Call,
): Promise<Uint8Array> {
  const { name, password, options } = decodeRequest(AuthUserAddRequest, bytes)
  admit(member, call, () => root)
  if (name === '') throw new EtcdError('userEmpty')
  const no_password = options?.no_password === true
  const password_hash = no_password ? '' : await passwords.hashOf(name, password, call)
  return change(member, call, {
    $case: 'add_user',
    value: { name, password_hash, no_password, now_ms: BigInt(Date.now()) },
  })
}

export async function userChangePassword(
  passwords: NewPasswords,
  member: Member,
  bytes: Uint8Array,
  call: Call,
): Promise<Uint8Array> {
  const { name, password } = decodeRequest(AuthUserChangePasswordRequest, bytes)
  admit(member, call, () => root)
  const password_hash = await passwords.hashOf(name, password, call)
  const value = { name, password_hash, now_ms: BigInt(Date.now()) }
  return change(member, call, { $case: 'change_password', value })
}

export function userDelete(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const { name } = decodeRequest(AuthUserDeleteRequest, bytes)
  return change(member, call, { $case: 'delete_user', value: { name } })
}

export function userGrantRole(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const { user, role } = decodeRequest(AuthUserGrantRoleRequest, bytes)
  return change(member, call, { $case: 'grant_role', value: { user, role } })
}

export function userRevokeRole(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const { name, role } = decodeRequest(AuthUserRevokeRoleRequest, bytes)
  return change(member, call, { $case: 'revoke_role', value: { user: name, role } })
}

export function roleAdd(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const { name } = decodeRequest(AuthRoleAddRequest, bytes)
  return change(member, call, { $case: 'add_role', value: { name } })
}

export function roleDelete(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const { role } = decodeRequest(AuthRoleDeleteRequest, bytes)
  return change(member, call, { $case: 'delete_role', value: { name: role } })
}

export function roleGrantPermission(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const { name, perm } = decodeRequest(AuthRoleGrantPermissionRequest, bytes)
  return change(member, call, { $case: 'grant_permission', value: { role: name, permission: perm } })
}

export function roleRevokePermission(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const { role, key, range_end } = decodeRequest(AuthRoleRevokePermissionRequest, bytes)
  const permission = { permType: Permission_Type.READ, key, range_end }
  return change(member, call, { $case: 'revoke_permission', value: { role, permission } })
}

export async function authStatus(member: Member, bytes: Uint8Array): Promise<Uint8Array> {
  decodeRequest(AuthStatusRequest, bytes)
  await member.readBarrier()
  return member.read((view) => {
    const { enabled, revision } = accessOf(member).rules(view)
    const body = AuthStatusResponse.encode({ header: undefined, enabled, authRevision: revision }).finish()
    return respond(member, getRevision(view), body)
  })
}

/** A user may see its own roles. */
export function userGet(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const { name } = decodeRequest(AuthUserGetRequest, bytes)
  return show(member, call, { kind: 'user', name }, (view) => {
    const user = getUser(view, name)
    if (user === null) throw new EtcdError('userNotFound')
    return AuthUserGetResponse.encode({ header: undefined, roles: user.roles }).finish()
  })
}

export function userList(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  decodeRequest(AuthUserListRequest, bytes)
  return show(member, call, auditing, (view) =>
    AuthUserListResponse.encode({ header: undefined, users: listUsers(view).map(({ name }) => name) }).finish(),
  )
}

/** Built-in roles have no permissions on keys. The one named root is shown if it is in the table, as in etcd. */
const builtInRole = (name: string): AuthRole | null =>
  isBuiltInRole(name) && name !== rootName ? { name, permissions: [] } : null

/** Users may see what their roles are good for. */
export function roleGet(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const { role: name } = decodeRequest(AuthRoleGetRequest, bytes)
  return show(member, call, { kind: 'role', name }, (view) => {
    const role = getRole(view, name) ?? builtInRole(name)
    if (role === null) throw new EtcdError('roleNotFound')
    return AuthRoleGetResponse.encode({ header: undefined, perm: role.permissions }).finish()
  })
}

export function roleList(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  decodeRequest(AuthRoleListRequest, bytes)
  return show(member, call, auditing, (view) =>
    AuthRoleListResponse.encode({ header: undefined, roles: listRoles(view).map(({ name }) => name) }).finish(),
  )
}

/** Answers from a state that has all that was acknowledged before. */
async function show(
  member: Member,
  call: Call,
  operation: Operation,
  body: (view: ReadView) => Uint8Array,
): Promise<Uint8Array> {
  await member.readBarrier()
  return member.read((view) => {
    requireAccess(member, view, call, () => operation)
    return respond(member, getRevision(view), body(view))
  })
}
