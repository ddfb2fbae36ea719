import type { EtcdErrorReason } from '../../src/errors.ts'
import { keysOf } from './keys.ts'
import { makeChange } from './make-change.ts'
import {
  type Caller,
  type Capability,
  type Change,
  capabilitiesOf,
  type Deed,
  type Denial,
  type Grant,
  methodsOf,
  type Need,
  type Scope,
  scopeKeys,
  type Token,
  type User,
  type Who,
} from './rules.ts'

/** What is true of the rules, as far as anybody can see. */
export interface Rules {
  readonly enabled: boolean
  /** As clients see it. */
  readonly revision: number
  readonly users: ReadonlyMap<string, User>
  readonly roles: ReadonlyMap<string, readonly Grant[]>
  /** Those that are good, by their numbers. */
  readonly tokens: ReadonlyMap<number, Token>
  readonly lastId: number
}

const atFirst: Rules = {
  ...{ enabled: false, revision: 1, lastId: 0 },
  ...{ users: new Map(), roles: new Map(), tokens: new Map() },
}

type KeysOfLease = (lease: number) => readonly string[]
const noKeys: KeysOfLease = () => []

/**
 * The rules of who may what, said as plainly as can be: a permission is a set of keys, a role a set of permissions, and a
 * caller may do what its set has. A value: changes make another one.
 */
export class AuthModel implements Rules {
  readonly enabled: boolean
  readonly revision: number
  readonly users: ReadonlyMap<string, User>
  readonly roles: ReadonlyMap<string, readonly Grant[]>
  readonly tokens: ReadonlyMap<number, Token>
  readonly lastId: number

  constructor(rules: Rules = atFirst) {
    this.enabled = rules.enabled
    this.revision = rules.revision
    this.users = rules.users
    this.roles = rules.roles
    this.tokens = rules.tokens
    this.lastId = rules.lastId
  }

  /** Null if it may. @param keysOfLease the keys that are attached to a lease. */
  judge(who: Who, deed: Deed, keysOfLease: KeysOfLease = noKeys): Denial | null {
    if (!this.enabled) return null
    const caller = this.identify(who)
    return typeof caller === 'string' ? caller : this.judgeCaller(caller, deed, keysOfLease)
  }

  /** Or why it is nobody. A token counts before a certificate. */
  identify({ certificate, token: number }: Who): Caller | Denial {
    if (number === null) {
      const id = this.users.get(certificate)?.id
      return id === undefined ? 'permissionDenied' : { id, scope: null }
    }
    const token = number === 'forged' ? undefined : this.tokens.get(number)
    if (token === undefined) return 'invalidAuthToken'
    if (token.certificate !== null && token.certificate !== certificate) return 'invalidAuthToken'
    return { id: token.user, scope: token.scope }
  }

  judgeCaller({ id, scope }: Caller, deed: Deed, keysOfLease: KeysOfLease = noKeys): Denial | null {
    const name = this.nameOf(id)
    if (name === null) return 'permissionDenied'
    const user = this.users.get(name)!
    const may = user.roles.has('root') || this.#mayUser(name, user, deed, keysOfLease)
    return may && (scope === null || mayScope(scope, deed, keysOfLease)) ? null : 'permissionDenied'
  }

  nameOf(id: number): string | null {
    return [...this.users].find(([, user]) => user.id === id)?.[0] ?? null
  }

  #mayUser(name: string, user: User, deed: Deed, keysOfLease: KeysOfLease): boolean {
    const can = (capability: Capability): boolean =>
      [...user.roles].some((role) => capabilitiesOf(role).includes(capability))
    switch (deed.kind) {
      case 'known':
      case 'identity':
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
        return deed.needs.every(
          (need) => need.verb === 'lease' || has((verb) => this.#keysOf(user, verb), need, keysOfLease),
        )
    }
  }

  #keysOf({ roles }: User, verb: 'read' | 'write'): ReadonlySet<string> {
    const grants = [...roles].flatMap((role) => this.roles.get(role) ?? [])
    return new Set(grants.filter(({ as }) => as === verb || as === 'readwrite').flatMap(({ range }) => keysOf(range)))
  }

  /** Whether these are the user's name and its password. */
  knows(user: string, password: string): boolean {
    return password !== '' && this.users.get(user)?.password === password
  }

  withToken(number: number, token: Token): AuthModel {
    return new AuthModel({ ...this, tokens: new Map(this.tokens).set(number, token) })
  }

  /** The same, after changes that made no difference. */
  at(revision: number): AuthModel {
    return new AuthModel({ ...this, revision })
  }

  /** What comes of a change by somebody who may: the rules from then on, or why it is refused. */
  change(change: Change, by: Who): AuthModel | EtcdErrorReason {
    const caller = this.enabled ? this.identify(by) : null
    const name = caller === null || typeof caller === 'string' ? null : this.nameOf(caller.id)
    const made = makeChange(this, change, name)
    if (typeof made === 'string') return made
    return made === null ? this : new AuthModel({ ...this, ...made })
  }
}

/** @param keysFor those that are granted. */
function has(
  keysFor: (verb: 'read' | 'write') => ReadonlySet<string>,
  need: Exclude<Need, { verb: 'lease' }>,
  keysOfLease: KeysOfLease,
): boolean {
  if ('lease' in need) {
    const granted = keysFor(need.verb === 'readLease' ? 'read' : 'write')
    return keysOfLease(need.lease).every((key) => granted.has(key))
  }
  const wanted = keysOf(need.range)
  const granted = keysFor(need.verb)
  return wanted.length > 0 && wanted.every((key) => granted.has(key))
}

function mayScope(scope: Scope, deed: Deed, keysOfLease: KeysOfLease): boolean {
  const methods = methodsOf(scope)
  switch (deed.kind) {
    case 'known':
      return true
    case 'identity':
      return methods.has('monitor')
    case 'root':
      return methods.has('admin')
    case 'capability':
      return methods.has(deed.capability)
    case 'userGet':
    case 'roleGet':
      return methods.has('audit') || methods.has('admin')
    case 'keys':
      return deed.needs.every((need) =>
        need.verb === 'lease' ? methods.has('lease') : has((verb) => scopeKeys(scope, verb), need, keysOfLease),
      )
  }
}
