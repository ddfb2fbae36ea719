import { equalBytes } from '../base/bytes.ts'
import { type KeyRange, rangeFromWire } from '../base/key-range.ts'
import type { ReadView } from '../mvcc/view.ts'
import { type Permission, Permission_Type } from '../wire/gen/auth.ts'
import { AuthSettings, type AuthUser } from '../wire/gen/internal.ts'
import { type Capability, capabilitiesOf, rootName } from './built-in-roles.ts'
import type { UserId } from './caller.ts'
import { type Interval, mergeRanges } from './intervals.ts'
import { freshSettings, getGroup, getRole, getUser, getUserById, isTokenRevoked, settingsBytes } from './records.ts'

/** What all roles of somebody are good for together. */
export interface Rights {
  /** Null: not a user of the table. */
  readonly user: AuthUser | null
  readonly roles: readonly string[]
  readonly isRoot: boolean
  readonly capabilities: ReadonlySet<Capability>
  readonly reads: readonly Interval[]
  readonly writes: readonly Interval[]
}

/** What one user is and may do. */
export interface UserRights extends Rights {
  readonly user: AuthUser
}

/** Groups come from outside, and so does their number. */
const groupSetsMax = 1000

/**
 * The auth tables of one state, with what was made of them so far: users are compiled when they are first asked for, and
 * all are forgotten when any change was made. Of one member: equal settings then stand for equal tables.
 */
export class AccessRules {
  #bytes: Uint8Array | undefined
  #settings: AuthSettings = freshSettings
  readonly #byId = new Map<UserId, UserRights | null>()
  readonly #byName = new Map<string, UserId>()
  readonly #byGroups = new Map<string, Rights | null>()
  /** By the very bytes that were asked with: a token that is remembered brings the same again. */
  #revoked = new WeakMap<Uint8Array, boolean>()

  /** Takes over what the view says, if that is new. Whatever is asked after must be asked of the same view. */
  at(view: ReadView): this {
    const bytes = settingsBytes(view)
    if (bytes === this.#bytes) return this
    if (bytes !== undefined && this.#bytes !== undefined && equalBytes(bytes, this.#bytes)) return this
    // The view's own bytes may be gone when the next one is asked.
    this.#bytes = bytes === undefined ? undefined : Uint8Array.from(bytes)
    this.#settings = this.#bytes === undefined ? freshSettings : AuthSettings.decode(this.#bytes)
    this.#byId.clear()
    this.#byName.clear()
    this.#byGroups.clear()
    this.#revoked = new WeakMap()
    return this
  }

  get enabled(): boolean {
    return this.#settings.enabled
  }

  /** Grows with every change of what users may do, and with every revocation of a token. */
  get version(): number {
    return Number(this.#settings.version)
  }

  /** As clients see it. */
  get revision(): bigint {
    return this.#settings.revision
  }

  /** Tokens issued at an earlier revision are void. */
  get tokensSince(): number {
    return Number(this.#settings.tokens_since)
  }

  /** The same by the clock, of tokens that do not say a revision. */
  get tokensSinceMs(): number {
    return Number(this.#settings.tokens_since_ms)
  }

  user(view: ReadView, id: UserId): UserRights | null {
    const known = this.#byId.get(id)
    if (known !== undefined) return known
    const user = getUserById(view, id)
    const rights = user === null ? null : { ...compile(view, user.roles), user }
    this.#byId.set(id, rights)
    return rights
  }

  /** Names come from outside: those that are no user's are not remembered. */
  userNamed(view: ReadView, name: string): UserRights | null {
    let id = this.#byName.get(name)
    if (id === undefined) {
      const user = getUser(view, name)
      if (user === null) return null
      id = Number(user.id)
      this.#byName.set(name, id)
    }
    return this.user(view, id)
  }

  /**
   * What those may who are in all of these groups. Null if none of them is in the table: an issuer's word that somebody is
   * somebody makes nobody known here.
   */
  groups(view: ReadView, names: readonly string[]): Rights | null {
    const key = JSON.stringify(names)
    const known = this.#byGroups.get(key)
    if (known !== undefined) return known
    const groups = names.map((name) => getGroup(view, name)).filter((group) => group !== null)
    const rights = groups.length === 0 ? null : compile(view, [...new Set(groups.flatMap(({ roles }) => roles))])
    if (this.#byGroups.size >= groupSetsMax) this.#byGroups.clear()
    this.#byGroups.set(key, rights)
    return rights
  }

  isTokenRevoked(view: ReadView, id: Uint8Array): boolean {
    let revoked = this.#revoked.get(id)
    if (revoked === undefined) {
      revoked = isTokenRevoked(view, id)
      this.#revoked.set(id, revoked)
    }
    return revoked
  }
}

function compile(view: ReadView, roles: readonly string[]): Rights {
  const reads: KeyRange[] = []
  const writes: KeyRange[] = []
  for (const name of roles) {
    for (const permission of getRole(view, name)?.permissions ?? []) {
      const range = rangeOf(permission)
      if (permission.permType !== Permission_Type.WRITE) reads.push(range)
      if (permission.permType !== Permission_Type.READ) writes.push(range)
    }
  }
  return {
    user: null,
    roles,
    isRoot: roles.includes(rootName),
    capabilities: capabilitiesOf(roles),
    reads: mergeRanges(reads),
    writes: mergeRanges(writes),
  }
}

const rangeOf = ({ key, range_end }: Permission): KeyRange => rangeFromWire(key, range_end)
