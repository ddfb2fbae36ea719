import { rangeText } from './grants.ts'
import { Judge } from './judge.ts'
import type { Policy, PolicyCase, Question } from './policy.ts'
import { quoted } from './problem.ts'
import { rulesOfPolicy } from './rules.ts'

export interface CaseResult {
  readonly case: PolicyCase
  readonly verdict: 'allow' | 'deny'
  readonly passed: boolean
}

/** Asks each case of a policy, by the functions that the server decides with. */
export function runCases(policy: Policy): CaseResult[] {
  const judge = new Judge(rulesOfPolicy(policy))
  return policy.cases.map((one) => {
    const verdict = judge.denialOf(one) === null ? 'allow' : 'deny'
    return { case: one, verdict, passed: verdict === one.expect }
  })
}

/** `user "app" read prefix "/app/"`. */
export const questionText = ({ subject, verb, range }: Question): string =>
  `${subject.kind} ${quoted(subject.name)} ${verb}${range === null ? '' : ` ${rangeText(range)}`}`
