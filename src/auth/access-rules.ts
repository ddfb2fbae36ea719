import { equalBytes } from '../base/bytes.ts'
import { type KeyRange, rangeFromWire } from '../base/key-range.ts'
import type { ReadView } from '../mvcc/view.ts'
import { type Permission, Permission_Type } from '../wire/gen/auth.ts'
import { AuthSettings, type AuthUser } from '../wire/gen/internal.ts'
import type { UserId } from './caller.ts'
import { type Interval, mergeRanges } from './intervals.ts'
import { freshSettings, getRole, getUser, getUserById, settingsBytes } from './records.ts'

/** The role, and the user, that may do everything. The role needs no permissions, nor to be in the table of roles. */
export const rootName = 'root'

/** What one user is and may do, all roles together. */
export interface UserRights {
  readonly user: AuthUser
  readonly isRoot: boolean
  readonly reads: readonly Interval[]
  readonly writes: readonly Interval[]
}

/**
 * The auth tables of one state, with what was made of them so far: users are compiled when they are first asked for, and
 * all are forgotten when any change was made. Of one member: equal settings then stand for equal tables.
 */
export class AccessRules {
  #bytes: Uint8Array | undefined
  #settings: AuthSettings = freshSettings
  readonly #byId = new Map<UserId, UserRights | null>()
  readonly #byName = new Map<string, UserId>()

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
    return this
  }

  get enabled(): boolean {
    return this.#settings.enabled
  }

  /** Grows with every change of what users may do. */
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

  user(view: ReadView, id: UserId): UserRights | null {
    const known = this.#byId.get(id)
    if (known !== undefined) return known
    const user = getUserById(view, id)
    const rights = user === null ? null : compile(view, user)
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
}

function compile(view: ReadView, user: AuthUser): UserRights {
  const reads: KeyRange[] = []
  const writes: KeyRange[] = []
  for (const name of user.roles) {
    for (const permission of getRole(view, name)?.permissions ?? []) {
      const range = rangeOf(permission)
      if (permission.permType !== Permission_Type.WRITE) reads.push(range)
      if (permission.permType !== Permission_Type.READ) writes.push(range)
    }
  }
  const isRoot = user.roles.includes(rootName)
  return { user, isRoot, reads: mergeRanges(reads), writes: mergeRanges(writes) }
}

const rangeOf = ({ key, range_end }: Permission): KeyRange => rangeFromWire(key, range_end)
