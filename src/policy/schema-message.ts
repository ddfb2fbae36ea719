import type { z } from 'zod'
import { type Problem, quoted } from './problem.ts'
import type { PlacedData } from './yaml-tree.ts'

type Issue = z.core.$ZodIssue

/** What the schema will not have, in words of the file. */
export function issueMessage(issue: Issue, yaml: PlacedData): Problem[] {
  const { path } = issue
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      place: yaml.placeOfKey([...path, key]),
      message: `there is no ${quoted(key)} ${path.length === 0 ? 'in a policy' : `in ${what(path)}`}`,
    }))
  }
  return [{ place: yaml.placeOf(path), message: messageOf(issue, path, isMissing(yaml.data, path)) }]
}

function messageOf(issue: Issue, path: readonly PropertyKey[], missing: boolean): string {
  const it = path.length === 0 ? 'the policy' : what(path)
  if (missing) return `${it} is missing`
  switch (issue.code) {
    case 'invalid_type':
      return `${it} is not ${kinds[issue.expected] ?? issue.expected}${issue.expected === 'string' ? ': put it into quotes' : ''}`
    case 'invalid_value':
      return `${it} can only be ${issue.values.map(String).join(' or ')}`
    case 'too_small':
      return `${it} is empty`
    case 'too_big':
      return `${it} has more than ${issue.maximum} entries`
    default:
      return `${it} is not as it should be`
  }
}

const kinds: Readonly<Record<string, string>> = {
  string: 'text',
  array: 'a list',
  object: 'a list of keys and values',
}

/** zod reports what is not there as something of the wrong kind. */
function isMissing(data: unknown, path: readonly PropertyKey[]): boolean {
  let value = data
  for (const part of path) value = (value as Readonly<Record<PropertyKey, unknown>> | undefined)?.[part]
  return value === undefined
}

/** The last word on the way to it that is a name: `roles`, for an entry of that list. */
function what(path: readonly PropertyKey[]): string {
  const last = path.at(-1)!
  if (typeof last !== 'number') return String(last)
  const list = path.findLast((part) => typeof part === 'string')
  return `entry ${last + 1} of ${String(list)}`
}
