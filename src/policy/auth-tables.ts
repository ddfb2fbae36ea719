import { AccessRules } from '../auth/access-rules.ts'
import { changeRules } from '../auth/change.ts'
import { getSettings, putSettings } from '../auth/records.ts'
import { compareBytes } from '../base/bytes.ts'
import type { Pair, ReadView, ScanOptions, Table, WriteView } from '../mvcc/view.ts'
import type { Rules } from './rules.ts'

/** Users, roles and groups in the form in which the server judges by them. */
export interface AuthTables {
  readonly view: ReadView
  readonly rules: AccessRules
}

/**
 * Fills tables with rules by the very change that a member applies, and switches auth on in them.
 *
 * @throws EtcdError if a member would refuse the rules.
 */
export function authTablesOf(rules: Rules): AuthTables {
  const view = new AuthView()
  changeRules(view, {
    $case: 'apply_policy',
    value: {
      expected_revision: getSettings(view).revision,
      put_roles: [...rules.roles],
      delete_roles: [],
      put_users: [...rules.users],
      delete_users: [],
      put_groups: [...rules.groups],
      delete_groups: [],
      now_ms: 0n,
    },
  })
  putSettings(view, { ...getSettings(view), enabled: true })
  return { view, rules: new AccessRules().at(view) }
}

/** The table `auth` of a state in which nothing else is. */
class AuthView implements WriteView {
  readonly #rows = new Map<string, Pair>()

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    return table === 'auth' ? this.#rows.get(nameOf(key))?.[1] : undefined
  }

  *scan(table: Table, { start, end, reverse = false }: ScanOptions): Iterable<Pair> {
    if (table !== 'auth') return
    const rows = [...this.#rows.values()].filter(
      ([key]) => compareBytes(start, key) <= 0 && (end === null || compareBytes(key, end) < 0),
    )
    rows.sort(([a], [b]) => (reverse ? compareBytes(b, a) : compareBytes(a, b)))
    yield* rows
  }

  count(table: Table, options: ScanOptions): number {
    return [...this.scan(table, options)].length
  }

  put(_table: Table, key: Uint8Array, value: Uint8Array): void {
    this.#rows.set(nameOf(key), [key, value])
  }

  remove(_table: Table, key: Uint8Array): void {
    this.#rows.delete(nameOf(key))
  }
}

const nameOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1')
