import { isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import { z } from 'zod'
import { parseRangeSpec, RangeSpecError } from '../auth/range-spec.ts'
import { limits } from '../base/limits.ts'
import type { AuditPolicy, AuditRule } from './levels.ts'

/** What is wrong with a file of rules, in one line that begins with its place. */
export class AuditPolicyError extends Error {
  override readonly name = 'AuditPolicyError'
}

const level = z.enum(['none', 'metadata', 'keys'])
const patterns = z.array(z.string().min(1).max(1024)).min(1).max(100)
const ranges = z
  .array(
    z.unknown().transform((value, context) => {
      try {
        return parseRangeSpec(value)
      } catch (error) {
        if (!(error instanceof RangeSpecError)) throw error
        context.addIssue({ code: 'custom', message: error.message })
        return z.NEVER
      }
    }),
  )
  .min(1)
  .max(100)

const schema = z.strictObject({
  version: z.literal(1),
  rules: z
    .array(
      z.strictObject({
        comment: z.string().optional(),
        level,
        users: patterns.optional(),
        methods: patterns.optional(),
        verdicts: z
          .array(z.enum(['allowed', 'denied', 'refused']))
          .min(1)
          .optional(),
        within: ranges.optional(),
        touches: ranges.optional(),
      }),
    )
    .max(limits.auditRulesMax),
  default: level,
})

/**
 * Reads the rules that say how much is written down of which decisions.
 *
 * @throws AuditPolicyError
 */
export function parseAuditPolicy(yaml: string): AuditPolicy {
  const lines = new LineCounter()
  const placeOf = (offset: number): string => {
    const { line, col } = lines.linePos(offset)
    return `line ${line}, column ${col}`
  }
  const document = parseDocument(yaml, { uniqueKeys: true, lineCounter: lines })
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem !== undefined) {
    throw new AuditPolicyError(
      `${placeOf(problem.pos[0])}: ${problem.message.split('\n', 1)[0]!.replace(/ at line .*/, '')}`,
    )
  }
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 0 })
  } catch {
    throw new AuditPolicyError('aliases are not taken')
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]!] : issue.path
    throw new AuditPolicyError(
      `${placeOf(offsetOf(document.contents, path))}: ${path.join('.') || 'the file'}: ${issue.message}`,
    )
  }
  const { rules, default: fallback } = parsed.data
  return { rules: rules.map(ruleOf), default: fallback }
}

/** Without what is absent. */
const ruleOf = ({ comment: _, ...rule }: z.infer<typeof schema>['rules'][number]): AuditRule =>
  Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== undefined)) as unknown as AuditRule

/** Of the innermost thing on the path that is there: of a key, if it is the key that is wrong. */
function offsetOf(contents: Node | null, path: readonly PropertyKey[]): number {
  let node: unknown = contents
  let offset = contents?.range?.[0] ?? 0
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === step)
      if (pair === undefined) break
      offset = (pair.key as Node).range?.[0] ?? offset
      node = pair.value
    } else {
      const items: unknown = (node as { readonly items?: unknown } | null)?.items
      const item: unknown = Array.isArray(items) ? items[Number(step)] : undefined
      if (item === undefined) break
      node = item
      offset = (item as Node).range?.[0] ?? offset
    }
  }
  return offset
}
