import { limits } from '../base/limits.ts'
import type { Steps } from '../mvcc/steps.ts'

/** How much memory the answers to the writes of one transaction of the store may take yet, where it counts. */
export class AnswerRoom {
  leftBytes: number

  constructor(bytes: number = limits.writeAnswersBytesMax) {
    this.leftBytes = bytes
  }

  /** What a read in steps gives; null as soon as it takes more than there is. */
  read<T>(steps: Steps<T>): T | null {
    for (;;) {
      const step = steps.next()
      if (step.done === true) return step.value
      this.leftBytes -= step.value
      if (this.leftBytes >= 0) continue
      steps.return(undefined as never)
      return null
    }
  }
}
