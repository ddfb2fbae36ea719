import type { Dice } from '../sim/dice.ts'
import type { AuthModel } from './auth-model.ts'
import { emptyRanges, namedKeys, ranges, type WireRange } from './keys.ts'
import type { Op, Request } from './request.ts'
import {
  builtInRoles,
  type Change,
  type Kind,
  type MethodVerb,
  type Policy,
  type Scope,
  type ScopeEntry,
  type Who,
} from './rules.ts'

/** Every name is also the common name of a certificate; of `nobody`, no user ever is. */
export const userNames = ['root', 'ann', 'bob', 'cy'] as const
export const certificateNames = [...userNames, 'nobody'] as const
const roleNames = ['r1', 'r2', 'r3']
/** Few, so that keys of several users meet in one. */
const leasesMax = 2
/** What may be attached to leases; what writes in the background leaves these alone. */
export const leasedKeys: readonly string[] = ['a', 'b', 'c\0']
export const backgroundKeys: readonly string[] = namedKeys.filter((key) => !leasedKeys.includes(key))

/** A token that was once issued, good or not by now. */
export interface KnownToken {
  readonly number: number
  /** Its id, by which it can be revoked; null: it is none of the signed ones. */
  readonly id: string | null
  /** Common name of the certificate that it is bound to. */
  readonly certificate: string | null
}

/** Random requests and changes, from what the rules are at that moment: mostly such as make a difference. */
export class RandomRequests {
  readonly #dice: Dice
  readonly #name: string
  readonly #beyondEtcd: boolean
  #values = 0
  #passwords = 0
  #leases = 0

  /** @param name of the values that are put: nobody else's. @param beyondEtcd whether also of what etcd does not have. */
  constructor(dice: Dice, { name = 'v', beyondEtcd = true } = {}) {
    this.#dice = dice
    this.#name = name
    this.#beyondEtcd = beyondEtcd
  }

  /** What makes the beginning: a root that may switch auth on, and somebody with something. */
  *setUp(): Generator<Change> {
    for (const user of userNames) yield { kind: 'addUser', user, password: this.password(user) }
    yield { kind: 'grantRole', user: 'root', role: 'root' }
    for (const role of roleNames) yield { kind: 'addRole', role }
    yield { kind: 'grantPermission', role: 'r1', range: { key: 'a', end: 'c' }, as: 'readwrite' }
    yield { kind: 'grantPermission', role: 'r2', range: { key: 'b', end: '\0' }, as: 'read' }
    yield { kind: 'grantPermission', role: 'r3', range: { key: 'b', end: 'd' }, as: 'readwrite' }
    yield { kind: 'grantRole', user: 'ann', role: 'r1' }
    yield { kind: 'grantRole', user: 'cy', role: 'r3' }
    yield { kind: 'grantRole', user: 'bob', role: 'r2' }
    yield { kind: 'enable' }
  }

  password(user: string): string {
    return `${user}'s password ${++this.#passwords}`
  }

  change(model: AuthModel, tokens: readonly KnownToken[]): Change {
    const dice = this.#dice
    if (!model.enabled && dice.chance(0.4)) return { kind: 'enable' }
    if (this.#beyondEtcd && dice.chance(0.16)) return this.#changeOfOurs(model, tokens)
    const role = dice.pick(roleNames)
    const user = dice.chance(0.04) ? 'root' : dice.pick(userNames.slice(1))
    const roll = dice.below(100)
    if (roll < 30) {
      const as = dice.pick<Kind>(['read', 'write', 'readwrite'])
      return { kind: 'grantPermission', role, range: this.#range(0.05), as }
    }
    if (roll < 46) {
      const granted = model.roles.get(role) ?? []
      const range = granted.length > 0 && dice.chance(0.9) ? dice.pick(granted).range : this.#range(0)
      return { kind: 'revokePermission', role, range }
    }
    if (roll < 60) return { kind: 'grantRole', user, role: this.#role(role) }
    if (roll < 72) {
      const held = [...(model.users.get(user)?.roles ?? [])]
      return { kind: 'revokeRole', user, role: held.length > 0 && dice.chance(0.9) ? dice.pick(held) : role }
    }
    if (roll < 78) return { kind: 'addRole', role: this.#missing(roleNames, model.roles) ?? role }
    if (roll < 82) return { kind: 'deleteRole', role }
    if (roll < 89) {
      const added = this.#missing(userNames, model.users) ?? user
      return { kind: 'addUser', user: added, password: dice.chance(0.3) ? null : this.password(added) }
    }
    if (roll < 92) return { kind: 'deleteUser', user }
    if (roll < 97) return { kind: 'changePassword', user, password: this.password(user) }
    return dice.chance(0.5) ? { kind: 'disable' } : { kind: 'enable' }
  }

  #changeOfOurs(model: AuthModel, tokens: readonly KnownToken[]): Change {
    const dice = this.#dice
    const signed = tokens.filter(({ id, number }) => id !== null && (model.tokens.has(number) || dice.chance(0.1)))
    const live = [...model.tokens.values()]
    const parents = signed.filter(({ number }) => live.some(({ ancestors }) => ancestors.includes(number)))
    if (parents.length > 0 && dice.chance(0.4)) return { kind: 'revokeToken', token: dice.pick(parents).number }
    if (signed.length > 0 && dice.chance(0.3)) return { kind: 'revokeToken', token: dice.pick(signed).number }
    if (dice.chance(0.2)) return { kind: 'revokeUserTokens', user: dice.pick(userNames.slice(1)) }
    return { kind: 'applyPolicy', policy: this.#policy(model) }
  }

  /** Mostly one that can be applied. */
  #policy(model: AuthModel): Policy {
    const dice = this.#dice
    const some = <T>(all: readonly T[], chance: number): T[] => all.filter(() => dice.chance(chance))
    const putRoles = some(roleNames, 0.4).map((role) => {
      const wanted = Array.from({ length: dice.below(3) }, () => this.#range(0))
      // No range twice.
      const unique = [...new Map(wanted.map((range) => [`${range.key} ${range.end}`, range])).values()]
      return { role, grants: unique.map((range) => ({ range, as: dice.pick<Kind>(['read', 'write', 'readwrite']) })) }
    })
    const isPut = (role: string): boolean => putRoles.some((each) => each.role === role)
    const deleteRoles = some(roleNames, 0.1).filter(
      (role) => !isPut(role) && (model.roles.has(role) || dice.chance(0.1)),
    )
    const roles = (): string[] => some([...roleNames, 'leasehold:monitor'], 0.4)
    const putUsers = some(userNames, 0.4).map((user) => {
      const before = model.users.get(user)
      const noPassword = before === undefined || dice.chance(0.35) ? dice.chance(0.4) : before.password === null
      return { user, noPassword, roles: [...roles(), ...(user === 'root' && dice.chance(0.9) ? ['root'] : [])] }
    })
    const deleteUsers = some(userNames.slice(1), 0.15).filter((user) => putUsers.every((each) => each.user !== user))
    const expectedRevision = dice.chance(0.05) ? model.revision - 1 : model.revision
    return { expectedRevision, putRoles, deleteRoles, putUsers, deleteUsers }
  }

  /** For a token; null: none, so that it is as wide as what it is made of. */
  scope(): Scope | null {
    const dice = this.#dice
    if (dice.chance(0.25)) return null
    const entries: ScopeEntry[] = Array.from({ length: 1 + dice.below(2) }, () => ({
      verbs: dice.pick<('read' | 'write')[]>([['read'], ['write'], ['read', 'write']]),
      range: this.#range(0),
    }))
    const methods: readonly MethodVerb[] = ['lease', 'monitor', 'backup', 'operate', 'audit', 'admin']
    const verbs = methods.filter(() => dice.chance(0.3))
    return verbs.length === 0 ? entries : [...entries, { verbs, range: null }]
  }

  /** Of a token for somebody else, and whether it is to be bound to the certificate of who asks. */
  issue(): { readonly user: string | null; readonly isBound: boolean } {
    return { user: this.#dice.chance(0.2) ? this.#dice.pick(userNames) : null, isBound: this.#dice.chance(0.3) }
  }

  #role(usual: string): string {
    if (!this.#beyondEtcd || this.#dice.chance(0.85)) return usual
    return this.#dice.pick(builtInRoles)
  }

  #missing(names: readonly string[], present: ReadonlyMap<string, unknown>): string | null {
    const missing = names.filter((name) => !present.has(name))
    return missing.length > 0 && this.#dice.chance(0.8) ? this.#dice.pick(missing) : null
  }

  #range(emptyChance: number): WireRange {
    return this.#dice.pick(this.#beyondEtcd && this.#dice.chance(emptyChance) ? emptyRanges : ranges)
  }

  who(tokens: readonly KnownToken[], model: AuthModel): Who {
    const dice = this.#dice
    const certificate = dice.pick(userNames)
    const roll = dice.below(100)
    if (roll < 3) return { certificate, token: 'forged' }
    if (roll < 7) return { certificate: 'nobody', token: null }
    const good = tokens.filter(({ number }) => model.tokens.has(number))
    if (roll < 55 && good.length > 0) return this.#bearer(dice.pick(good))
    if (roll < 62 && tokens.length > 0) return this.#bearer(dice.pick(tokens))
    return { certificate, token: null }
  }

  /** Whoever shows a token: its user or another, which must make no difference unless it is bound. */
  #bearer({ number, certificate }: KnownToken): Who {
    const other = certificate === null || this.#dice.chance(0.1)
    return { certificate: other ? this.#dice.pick(certificateNames) : certificate, token: number }
  }

  request(leases: readonly number[]): Request {
    const dice = this.#dice
    const roll = dice.below(100)
    if (!this.#beyondEtcd) return this.#requestOfEtcd(roll)
    // Of who may write the key, few may write all keys of the lease.
    if (roll < 16 && leases.length > 0) return this.#put(dice.pick(leasedKeys), leases)
    if (roll < 66 || (roll < 70 && leases.length >= leasesMax)) return this.op(leases)
    if (roll < 70 || (roll < 82 && leases.length === 0)) return { kind: 'leaseGrant', lease: ++this.#leases }
    if (roll < 72) return { kind: 'leaseRevoke', lease: dice.pick(leases) }
    if (roll < 82) return { kind: 'leaseKeys', lease: dice.pick(leases) }
    if (roll < 86) return { kind: 'userGet', user: dice.pick(userNames) }
    if (roll < 90) return { kind: 'roleGet', role: dice.pick(roleNames) }
    return { kind: dice.pick(['userList', 'roleList', 'memberList', 'status', 'alarmList', 'compact']) }
  }

  /** Such as etcd 3.4 judges rightly. */
  #requestOfEtcd(roll: number): Request {
    if (roll < 86) return this.op([])
    if (roll < 90) return { kind: 'userGet', user: this.#dice.pick(userNames) }
    if (roll < 94) return { kind: 'roleGet', role: this.#dice.pick(roleNames) }
    return { kind: this.#dice.pick(['userList', 'roleList']) }
  }

  /** One operation on keys that is carried out if it is allowed. */
  op(leases: readonly number[]): Op {
    const roll = this.#dice.below(100)
    if (roll < (leases.length > 0 ? 30 : 40)) return this.#get()
    const keys = leases.length > 0 && this.#dice.chance(0.6) ? leasedKeys : namedKeys
    if (roll < 68) return this.#put(this.#dice.pick(keys), leases)
    return roll < 80 ? this.#delete() : this.#txn(leases, this.#dice.shuffle(namedKeys), 0)
  }

  #get(): Op {
    return { kind: 'range', range: this.#range(0.03) }
  }

  #delete(): Op {
    return { kind: 'delete', range: this.#range(0.03), previous: this.#dice.chance(0.4) }
  }

  #put(key: string, leases: readonly number[]): Extract<Op, { kind: 'put' }> {
    const lease = leasedKeys.includes(key) && leases.length > 0 && this.#dice.chance(0.8)
    return {
      kind: 'put',
      key,
      value: `${this.#name}${++this.#values}`,
      previous: this.#dice.chance(0.3),
      lease: lease ? this.#dice.pick(leases) : null,
    }
  }

  /** @param keys from which puts take theirs, as no key may be written twice. Deletes go into branches of their own. */
  #txn(leases: readonly number[], keys: string[], depth: number): Op {
    const dice = this.#dice
    const op = (): Op => {
      const roll = dice.below(100)
      const key = roll < 60 ? keys.pop() : undefined
      if (key !== undefined) {
        const put = this.#put(key, leases)
        // What etcd 3.4 does not look at there.
        return this.#beyondEtcd ? put : { ...put, previous: false }
      }
      return roll < 75 && depth < 3 && this.#beyondEtcd ? this.#txn(leases, keys, depth + 1) : this.#get()
    }
    const branch = (): Op[] => Array.from({ length: dice.below(3) }, op)
    const compares = Array.from({ length: dice.below(3) }, () => this.#range(0))
    const deletes = depth === 0 && dice.chance(0.2)
    return {
      kind: 'txn',
      compares,
      // Without compares there is nothing that could fail.
      holds: compares.length === 0 || dice.chance(0.6),
      success: deletes && this.#beyondEtcd ? [this.#delete()] : branch(),
      failure: branch(),
    }
  }

  watchRange(): WireRange {
    return this.#range(0)
  }
}
