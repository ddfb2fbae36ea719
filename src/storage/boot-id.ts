import { readFileSync } from 'node:fs'

/** What names this run of the operating system; null where the system does not say. */
export function readBootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    return null
  }
}
