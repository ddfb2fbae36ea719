import { statfsSync } from 'node:fs'

/** Less than this cannot take the pages of one commit. */
const fullBytesMax = 1024 * 1024

/** Whether the disk under `path` is full. False if that cannot be found out. */
export function diskIsFull(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize < fullBytesMax
  } catch {
    return false
  }
}
