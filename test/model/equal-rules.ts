import { isDeepStrictEqual } from 'node:util'
import {
  AuthRoleGetRequest,
  AuthRoleGetResponse,
  AuthRoleListResponse,
  AuthUserGetRequest,
  AuthUserGetResponse,
  AuthUserListResponse,
} from '../../src/wire/gen/rpc.ts'
import type { TestMember } from '../support/member.ts'
import type { AuthModel } from './auth-model.ts'
import { Mismatch, type World } from './world.ts'

interface Rules {
  readonly enabled: boolean
  readonly revision: number
  readonly users: Readonly<Record<string, readonly string[]>>
  readonly roles: Readonly<Record<string, readonly string[]>>
}

const kinds = ['read', 'write', 'readwrite']
const nothing = new Uint8Array(0)

/** @throws Mismatch unless each member has the rules of the model. */
export async function expectEqualRules(world: World): Promise<void> {
  const wanted = rulesOf(world.model)
  for (const member of world.present) {
    const found = await askFor(world, member)
    if (isDeepStrictEqual(found, wanted)) continue
    throw new Mismatch(`${member.name} has ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`)
  }
}

function rulesOf({ enabled, revision, users, roles }: AuthModel): Rules {
  return {
    ...{ enabled, revision },
    users: Object.fromEntries([...users].sort().map(([name, user]) => [name, [...user.roles].sort()])),
    roles: Object.fromEntries(
      [...roles]
        .sort()
        .map(([name, grants]) => [
          name,
          grants.map(({ range, as }) => `${as} ${JSON.stringify(range.key)} ${JSON.stringify(range.end)}`).sort(),
        ]),
    ),
  }
}

async function askFor(world: World, member: TestMember): Promise<Rules> {
  const get = async (method: string, message: Uint8Array): Promise<Uint8Array> => {
    const { result } = await world.connections.insist(
      () => [member],
      (each) => world.asRoot(each, [`/etcdserverpb.Auth/${method}`, message]),
    )
    if (result.kind === 'refused') throw new Mismatch(`${method} of root at ${member.name}: ${result.text}`)
    return result.message
  }
  const { enabled, authRevision } = await world.connections.authStatus(member)
  const users: Record<string, string[]> = {}
  for (const name of AuthUserListResponse.decode(await get('UserList', nothing)).users) {
    users[name] = AuthUserGetResponse.decode(await get('UserGet', AuthUserGetRequest.encode({ name }).finish())).roles
  }
  const roles: Record<string, string[]> = {}
  for (const role of AuthRoleListResponse.decode(await get('RoleList', nothing)).roles) {
    const { perm } = AuthRoleGetResponse.decode(await get('RoleGet', AuthRoleGetRequest.encode({ role }).finish()))
    const text = (bytes: Uint8Array): string => JSON.stringify(Buffer.from(bytes).toString('latin1'))
    roles[role] = perm
      .map(({ permType, key, range_end }) => `${kinds[permType]} ${text(key)} ${text(range_end)}`)
      .sort()
  }
  return { enabled, revision: Number(authRevision), users, roles }
}
