import type { EtcdErrorReason } from '../../src/errors.ts'
import { keysOf, type WireRange } from './keys.ts'

export type Kind = 'read' | 'write' | 'readwrite'
export type Capability = 'monitor' | 'backup' | 'operate' | 'audit'

export const builtInRoles: Readonly<Record<string, readonly Capability[]>> = {
  root: ['monitor', 'backup', 'operate', 'audit'],
  'leasehold:monitor': ['monitor'],
  'leasehold:backup': ['backup', 'monitor'],
  'leasehold:operator': ['operate', 'monitor'],
  'leasehold:auditor': ['audit', 'monitor'],
}
const isBuiltIn = (role: string): boolean => Object.hasOwn(builtInRoles, role)

export type Change =
  | { readonly kind: 'enable' }
  | { readonly kind: 'disable' }
  /** `password === null`: a user that has none. */
  | { readonly kind: 'addUser'; readonly user: string; readonly password: string | null }
  | { readonly kind: 'deleteUser'; readonly user: string }
  | { readonly kind: 'changePassword'; readonly user: string; readonly password: string }
  | { readonly kind: 'grantRole'; readonly user: string; readonly role: string }
  | { readonly kind: 'revokeRole'; readonly user: string; readonly role: string }
  | { readonly kind: 'addRole'; readonly role: string }
  | { readonly kind: 'deleteRole'; readonly role: string }
  | { readonly kind: 'grantPermission'; readonly role: string; readonly range: WireRange; readonly as: Kind }
  | { readonly kind: 'revokePermission'; readonly role: string; readonly range: WireRange }

/** What a call shows of its caller. */
export interface Who {
  /** Common name of its certificate. */
  readonly certificate: string
  /** Number of the token, `'forged'` for one that nobody issued, null for none. */
  readonly token: number | 'forged' | null
}

export type Need =
  | { readonly verb: 'read' | 'write'; readonly range: WireRange }
  | { readonly verb: 'readLease' | 'writeLease'; readonly lease: number }

/** What is asked for. */
export type Deed =
  /** Of everybody who is known. */
  | { readonly kind: 'known' }
  | { readonly kind: 'root' }
  | { readonly kind: 'capability'; readonly capability: Capability }
  | { readonly kind: 'userGet'; readonly user: string }
  | { readonly kind: 'roleGet'; readonly role: string }
  | { readonly kind: 'keys'; readonly needs: readonly Need[] }

export type Denial = Extract<EtcdErrorReason, 'userEmpty' | 'invalidAuthToken' | 'permissionDenied'>

interface User {
  /** A user that is deleted and added again is another one. */
  readonly id: number
  readonly password: string | null
  readonly roles: ReadonlySet<string>
}

interface Grant {
  readonly range: WireRange
  readonly as: Kind
}

const sameRange = (a: WireRange, b: WireRange): boolean => a.key === b.key && a.end === b.end

/**
 * The rules of who may what, said as plainly as can be: a permission is a set of keys, a role a set of permissions, and a
 * caller may do what its set has. A value: changes make another one.
 */
export class AuthModel {
  readonly enabled: boolean
  readonly revision: number
  readonly users: ReadonlyMap<string, User>
  readonly roles: ReadonlyMap<string, readonly Grant[]>
  /** Those that are good, with the ids of their users. */
  readonly tokens: ReadonlyMap<number, number>
  readonly #lastId: number

  constructor(from: Partial<AuthModel> = {}, lastId = 0) {
    this.enabled = from.enabled ?? false
    this.revision = from.revision ?? 1
    this.users = from.users ?? new Map()
    this.roles = from.roles ?? new Map()
    this.tokens = from.tokens ?? new Map()
    this.#lastId = lastId
  }

  /** Null if it may. @param keysOfLease the keys that are attached to a lease. */
  judge(who: Who, deed: Deed, keysOfLease: (lease: number) => readonly string[] = () => []): Denial | null {
    if (!this.enabled) return null
    const id = this.identify(who)
    return typeof id === 'string' ? id : this.judgeUser(id, deed, keysOfLease)
  }

  /** The user's id, or why there is none. A token counts before a certificate. */
  identify({ certificate, token }: Who): number | Denial {
    if (token === 'forged') return 'invalidAuthToken'
    if (token !== null) return this.tokens.get(token) ?? 'invalidAuthToken'
    return this.users.get(certificate)?.id ?? 'permissionDenied'
  }

  judgeUser(id: number, deed: Deed, keysOfLease: (lease: number) => readonly string[] = () => []): Denial | null {
    const [name, user] = [...this.users].find(([, each]) => each.id === id) ?? []
    if (name === undefined || user === undefined) return 'permissionDenied'
    return user.roles.has('root') || this.#may(name, user, deed, keysOfLease) ? null : 'permissionDenied'
  }

  #may(name: string, user: User, deed: Deed, keysOfLease: (lease: number) => readonly string[]): boolean {
    const can = (capability: Capability): boolean =>
      [...user.roles].some((role) => builtInRoles[role]?.includes(capability))
    switch (deed.kind) {
      case 'known':
        return true
      case 'root':
        return false
      case 'capability':
        return can(deed.capability)
      case 'userGet':
        return deed.user === name || can('audit')
      case 'roleGet':
        return (deed.role !== 'root' && user.roles.has(deed.role)) || can('audit')
      case 'keys':
        return deed.needs.every((need) => {
          if ('lease' in need) {
            const granted = this.#keysOf(user, need.verb === 'readLease' ? 'read' : 'write')
            return keysOfLease(need.lease).every((key) => granted.has(key))
          }
          const wanted = keysOf(need.range)
          const granted = this.#keysOf(user, need.verb)
          return wanted.length > 0 && wanted.every((key) => granted.has(key))
        })
    }
  }

  #keysOf({ roles }: User, verb: 'read' | 'write'): ReadonlySet<string> {
    const grants = [...roles].flatMap((role) => this.roles.get(role) ?? [])
    return new Set(grants.filter(({ as }) => as === verb || as === 'readwrite').flatMap(({ range }) => keysOf(range)))
  }

  /** Whether these are the user's name and its password. */
  knows(user: string, password: string): boolean {
    const known = this.users.get(user)?.password ?? null
    return known !== null && known === password
  }

  withToken(token: number, user: string): AuthModel {
    const { id } = this.users.get(user)!
    return this.#with({ tokens: new Map(this.tokens).set(token, id) })
  }

  #with(made: Partial<AuthModel>, lastId = this.#lastId): AuthModel {
    return new AuthModel({ ...this, ...made }, lastId)
  }

  /** The same, after changes that made no difference. */
  at(revision: number): AuthModel {
    return this.#with({ revision })
  }

  /** What comes of a change by somebody who may: the rules from then on, or why it is refused. */
  change(change: Change): AuthModel | EtcdErrorReason {
    const made = this.#make(change)
    if (typeof made === 'string') return made
    if (made === null) return this
    const revision = change.kind === 'enable' ? this.revision : this.revision + 1
    const { lastId = this.#lastId, ...rest } = made
    return this.#with({ ...rest, revision }, lastId)
  }

  /** Null if everything is like that already. */
  #make(change: Change): (Partial<AuthModel> & { lastId?: number }) | EtcdErrorReason | null {
    const user = 'user' in change ? this.users.get(change.user) : undefined
    const role = 'role' in change ? this.roles.get(change.role) : undefined
    switch (change.kind) {
      case 'enable':
        if (this.enabled) return null
        if (!this.users.has('root')) return 'rootUserNotFound'
        return this.users.get('root')!.roles.has('root') ? { enabled: true } : 'rootRoleNotGranted'
      case 'disable':
        return this.enabled ? { enabled: false, tokens: new Map() } : null
      case 'addUser': {
        if (change.user === '') return 'userEmpty'
        if (user !== undefined) return 'userExists'
        const lastId = this.#lastId + 1
        return { ...this.#putUser(change.user, { id: lastId, password: change.password, roles: new Set() }), lastId }
      }
      case 'deleteUser': {
        if (this.enabled && change.user === 'root') return 'invalidAuthManagement'
        if (user === undefined) return 'userNotFound'
        const users = new Map(this.users)
        users.delete(change.user)
        return { users, tokens: this.#tokensWithout(user) }
      }
      case 'changePassword': {
        if (user === undefined) return 'userNotFound'
        const password = user.password === null ? null : change.password
        return { ...this.#putUser(change.user, { ...user, password }), tokens: this.#tokensWithout(user) }
      }
      case 'grantRole':
        if (user === undefined) return 'userNotFound'
        if (role === undefined && !isBuiltIn(change.role)) return 'roleNotFound'
        if (user.roles.has(change.role)) return null
        return this.#putUser(change.user, { ...user, roles: new Set([...user.roles, change.role]) })
      case 'revokeRole':
        if (this.enabled && change.user === 'root' && change.role === 'root') return 'invalidAuthManagement'
        if (user === undefined) return 'userNotFound'
        if (!user.roles.has(change.role)) return 'roleNotGranted'
        return this.#putUser(change.user, without(user, change.role))
      case 'addRole':
        if (change.role === '') return 'roleEmpty'
        return role === undefined ? { roles: new Map(this.roles).set(change.role, []) } : 'roleExists'
      case 'deleteRole': {
        if (role === undefined) return 'roleNotFound'
        const roles = new Map(this.roles)
        roles.delete(change.role)
        return { roles, users: new Map([...this.users].map(([name, each]) => [name, without(each, change.role)])) }
      }
      case 'grantPermission': {
        if (keysOf(change.range).length === 0) return 'invalidAuthManagement'
        if (role === undefined) return 'roleNotFound'
        const others = role.filter(({ range }) => !sameRange(range, change.range))
        return { roles: new Map(this.roles).set(change.role, [...others, { range: change.range, as: change.as }]) }
      }
      case 'revokePermission': {
        if (role === undefined) return 'roleNotFound'
        const others = role.filter(({ range }) => !sameRange(range, change.range))
        if (others.length === role.length) return 'permissionNotGranted'
        return { roles: new Map(this.roles).set(change.role, others) }
      }
    }
  }

  #putUser(name: string, user: User): { readonly users: ReadonlyMap<string, User> } {
    return { users: new Map(this.users).set(name, user) }
  }

  #tokensWithout({ id }: User): ReadonlyMap<number, number> {
    return new Map([...this.tokens].filter(([, user]) => user !== id))
  }
}

const without = (user: User, role: string): User => ({
  ...user,
  roles: new Set([...user.roles].filter((each) => each !== role)),
})
