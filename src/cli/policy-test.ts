import { type CaseResult, placeText, questionText, runCases } from '../policy/index.ts'
import { requirePolicy } from './policy-file.ts'

export function policyTest(files: readonly string[]): number {
  let failed = 0
  for (const file of files) {
    const results = runCases(requirePolicy(file))
    const failures = results.filter(({ passed }) => !passed)
    for (const failure of failures) process.stdout.write(caseLine(file, failure))
    process.stdout.write(`${file}: ${results.length - failures.length} of ${results.length} cases passed\n`)
    failed += failures.length
  }
  return failed === 0 ? 0 : 1
}

export const caseLine = (file: string, { case: one, verdict }: CaseResult): string =>
  `${file}:${placeText(one.place)}: failed: ${questionText(one)}: expected ${one.expect}, got ${verdict}\n`
