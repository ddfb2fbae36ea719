import type { Place } from './problem.ts'

/** What a policy can be warned of: an error is not applied unless somebody says that it is meant. */
export const findingLevels = {
  'all-keys-to-group': 'error',
  'all-keys-to-many': 'error',
  'root-to-group': 'error',
  'root-to-many': 'error',
  'snapshot-to-group': 'warning',
  'all-keys-written': 'warning',
  'no-administrator': 'warning',
  'user-without-roles': 'warning',
  'group-without-roles': 'warning',
  'role-without-permissions': 'warning',
  'unused-role': 'warning',
  'redundant-role': 'warning',
  'shadowed-permission': 'warning',
  'overlapping-permissions': 'warning',
  'adjacent-permissions': 'warning',
  'shared-writes': 'warning',
  'open-prefix': 'warning',
  'key-with-slash': 'warning',
  'odd-key': 'warning',
  'odd-name': 'warning',
} as const satisfies Record<string, 'error' | 'warning'>

export type FindingName = keyof typeof findingLevels

/** Something that is allowed and seldom meant. */
export interface Finding {
  readonly name: FindingName
  readonly level: 'error' | 'warning'
  readonly place: Place
  /** One line. */
  readonly message: string
}

export const finding = (name: FindingName, place: Place, message: string): Finding => ({
  name,
  level: findingLevels[name],
  place,
  message,
})

export const isFindingName = (name: string): name is FindingName => Object.hasOwn(findingLevels, name)
