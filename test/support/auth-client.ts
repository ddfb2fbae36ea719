import { readFileSync } from 'node:fs'
import { credentials, type ServiceError } from '@grpc/grpc-js'
import { Permission_Type } from '../../src/wire/gen/auth.ts'
import {
  AuthDisableRequest,
  AuthEnableRequest,
  AuthenticateRequest,
  AuthenticateResponse,
  AuthRoleAddRequest,
  AuthRoleGrantPermissionRequest,
  AuthRoleRevokePermissionRequest,
  AuthUserAddRequest,
  AuthUserAddResponse,
  AuthUserChangePasswordRequest,
  AuthUserDeleteRequest,
  AuthUserGrantRoleRequest,
  AuthUserRevokeRoleRequest,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
} from '../../src/wire/gen/rpc.ts'
import type { TestCluster } from './cluster.ts'
import { bytes, putRequest, rangeRequest } from './commands.ts'
import { RawClient } from './grpc-harness.ts'
import type { TestMember } from './member.ts'

const deadlineMs = 20_000

/** One member of a cluster as somebody sees it: with the cluster's client certificate, and a token if one is given. */
export class AuthClient implements Disposable {
  readonly raw: RawClient
  readonly metadata: Readonly<Record<string, string>>

  constructor(raw: RawClient, token: string | null = null) {
    this.raw = raw
    this.metadata = token === null ? {} : { token }
  }

  static of(cluster: TestCluster, member: TestMember): AuthClient {
    const { caFile, certFile, keyFile } = cluster.certificates.client
    const tls = credentials.createSsl(readFileSync(caFile), readFileSync(keyFile), readFileSync(certFile))
    const options = { 'grpc.ssl_target_name_override': 'localhost', 'grpc.initial_reconnect_backoff_ms': 50 }
    return new AuthClient(new RawClient(Number(new URL(member.clientUrl).port), tls, options))
  }

  /** Over the same connection. */
  with(token: string): AuthClient {
    return new AuthClient(this.raw, token)
  }

  async logIn(name: string, password: string): Promise<AuthClient> {
    return this.with(await this.token(name, password))
  }

  async token(name: string, password: string): Promise<string> {
    const request = AuthenticateRequest.encode({ name, password }).finish()
    return AuthenticateResponse.decode(await this.raw.unary('/etcdserverpb.Auth/Authenticate', request, {}, deadlineMs))
      .token
  }

  call(path: string, request: Uint8Array): Promise<Buffer> {
    return this.raw.unary(path, request, this.metadata, deadlineMs)
  }

  /** @returns the revision of the write. */
  async put(key: string, value = '', lease = 0n): Promise<number> {
    const request = PutRequest.encode(putRequest({ key: bytes(key), value: bytes(value), lease })).finish()
    return Number(PutResponse.decode(await this.call('/etcdserverpb.KV/Put', request)).header!.revision)
  }

  range(key: string, end = '', serializable = false): Promise<RangeResponse> {
    const request = rangeRequest({
      key: bytes(key),
      range_end: end === '\0' ? Uint8Array.of(0) : bytes(end),
      serializable,
    })
    return this.call('/etcdserverpb.KV/Range', RangeRequest.encode(request).finish()).then((answer) =>
      RangeResponse.decode(answer),
    )
  }

  addUser(name: string, password: string): Promise<number> {
    const request = { name, password, options: { no_password: password === '' }, hashedPassword: '' }
    return this.#change('UserAdd', AuthUserAddRequest.encode(request).finish())
  }
  changePassword(name: string, password: string): Promise<number> {
    return this.#change(
      'UserChangePassword',
      AuthUserChangePasswordRequest.encode({ name, password, hashedPassword: '' }).finish(),
    )
  }
  deleteUser(name: string): Promise<number> {
    return this.#change('UserDelete', AuthUserDeleteRequest.encode({ name }).finish())
  }
  grantRole(user: string, role: string): Promise<number> {
    return this.#change('UserGrantRole', AuthUserGrantRoleRequest.encode({ user, role }).finish())
  }
  revokeRole(name: string, role: string): Promise<number> {
    return this.#change('UserRevokeRole', AuthUserRevokeRoleRequest.encode({ name, role }).finish())
  }
  addRole(name: string): Promise<number> {
    return this.#change('RoleAdd', AuthRoleAddRequest.encode({ name }).finish())
  }
  /** Reading and writing of `prefix/`. */
  grantPrefix(name: string, prefix: string): Promise<number> {
    const perm = { permType: Permission_Type.READWRITE, key: bytes(`${prefix}/`), range_end: bytes(`${prefix}0`) }
    return this.#change('RoleGrantPermission', AuthRoleGrantPermissionRequest.encode({ name, perm }).finish())
  }
  revokePrefix(role: string, prefix: string): Promise<number> {
    const request = { role, key: bytes(`${prefix}/`), range_end: bytes(`${prefix}0`) }
    return this.#change('RoleRevokePermission', AuthRoleRevokePermissionRequest.encode(request).finish())
  }
  enable(): Promise<number> {
    return this.#change('AuthEnable', AuthEnableRequest.encode({}).finish())
  }
  disable(): Promise<number> {
    return this.#change('AuthDisable', AuthDisableRequest.encode({}).finish())
  }

  /** A user with a role of its name, which may read and write `name/`. */
  async addUserWithPrefix(name: string, password: string): Promise<void> {
    await this.addUser(name, password)
    await this.addRole(name)
    await this.grantPrefix(name, name)
    await this.grantRole(name, name)
  }

  /** @returns the store's revision when it was made: all of these answers have a header first. */
  async #change(method: string, request: Uint8Array): Promise<number> {
    return Number(AuthUserAddResponse.decode(await this.call(`/etcdserverpb.Auth/${method}`, request)).header!.revision)
  }

  [Symbol.dispose](): void {
    this.raw[Symbol.dispose]()
  }
}

/** The text of a refusal; null if there was none. */
export const refusalOf = (work: Promise<unknown>): Promise<string | null> =>
  work.then(
    () => null,
    (error: ServiceError) => error.details,
  )
