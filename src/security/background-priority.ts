import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'

/**
 * Lets all other threads of the process go first when processors are short; a tenth of one is left for this thread at least.
 * Where the system has no priorities of threads, nothing changes.
 *
 * @source Linux setpriority(2): of a thread, if it is given a thread's id. proc(5): /proc/thread-self is PID/task/TID.
 */
export function giveWayToOthers(): void {
  try {
    const id = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    if (Number.isSafeInteger(id) && id > 0) setPriority(id, niceness)
  } catch {
    // Only slower for others: no reason to do without the thread.
  }
}

/** Weighs a tenth of what the default, 0, does. */
const niceness = 10
