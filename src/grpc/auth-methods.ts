import {
  authDisable,
  authEnable,
  authStatus,
  roleAdd,
  roleDelete,
  roleGet,
  roleGrantPermission,
  roleList,
  roleRevokePermission,
  userAdd,
  userChangePassword,
  userDelete,
  userGet,
  userGrantRole,
  userList,
  userRevokeRole,
} from '../service/auth.ts'
import type { Login } from '../service/login.ts'
import type { NewPasswords } from '../service/new-passwords.ts'
import type { Access, Method, MethodTable, UnaryHandler } from './method.ts'

/**
 * The rows of the Auth service. Users log in before they are known, and clients ask whether they have to; everyone may see
 * what concerns them, and the handler asks for more otherwise.
 */
export function authRows(login: Login, passwords: NewPasswords): MethodTable['etcdserverpb.Auth'] {
  const authenticate: UnaryHandler = (member, request, call) => login.authenticate(member, request, call)
  const addUser: UnaryHandler = (member, request, call) => userAdd(passwords, member, request, call)
  const changePassword: UnaryHandler = (member, request, call) => userChangePassword(passwords, member, request, call)
  const row = (handler: UnaryHandler, access: Access, label: string): Method => ({
    kind: 'unary',
    handler,
    access,
    onLearner: 'refuse',
    label: `auth.${label}`,
  })
  return {
    AuthEnable: row(authEnable, 'root', 'enable'),
    AuthDisable: row(authDisable, 'root', 'disable'),
    AuthStatus: row(authStatus, 'open', 'status'),
    Authenticate: row(authenticate, 'open', 'authenticate'),
    UserAdd: row(addUser, 'root', 'user_add'),
    UserGet: row(userGet, 'known', 'user_get'),
    UserList: row(userList, 'audit', 'user_list'),
    UserDelete: row(userDelete, 'root', 'user_delete'),
    UserChangePassword: row(changePassword, 'root', 'user_change_password'),
    UserGrantRole: row(userGrantRole, 'root', 'user_grant_role'),
    UserRevokeRole: row(userRevokeRole, 'root', 'user_revoke_role'),
    RoleAdd: row(roleAdd, 'root', 'role_add'),
    RoleGet: row(roleGet, 'known', 'role_get'),
    RoleList: row(roleList, 'audit', 'role_list'),
    RoleDelete: row(roleDelete, 'root', 'role_delete'),
    RoleGrantPermission: row(roleGrantPermission, 'root', 'role_grant_permission'),
    RoleRevokePermission: row(roleRevokePermission, 'root', 'role_revoke_permission'),
  }
}
