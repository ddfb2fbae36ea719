import { rowsPerStep, type Steps } from './steps.ts'

/** A comparison costs a tenth of reading a row. */
const movesPerStep = 8 * rowsPerStep

/** A stable merge sort with pauses. Holds the items twice, which whoever reads them counts. */
export function* sortInSteps<T>(items: readonly T[], compare: (a: T, b: T) => number): Steps<T[]> {
  let sorted: T[] = []
  for (let at = 0; at < items.length; at += rowsPerStep) {
    for (const item of items.slice(at, at + rowsPerStep).sort(compare)) sorted.push(item)
    yield 0
  }
  let moves = 0
  for (let width = rowsPerStep; width < sorted.length; width *= 2) {
    const merged: T[] = []
    for (let start = 0; start < sorted.length; start += 2 * width) {
      const middle = Math.min(start + width, sorted.length)
      const end = Math.min(start + 2 * width, sorted.length)
      let left = start
      let right = middle
      while (left < middle || right < end) {
        const takesLeft = right === end || (left < middle && compare(sorted[left]!, sorted[right]!) <= 0)
        merged.push(sorted[takesLeft ? left++ : right++]!)
        if (++moves % movesPerStep === 0) yield 0
      }
    }
    sorted = merged
  }
  return sorted
}
