import { statfs } from 'node:fs/promises'

/** Less than this cannot take the pages of one commit. */
const fullBytesMax = 1024 * 1024

/** Whether the disk under `path` is full. False if that cannot be found out. */
export async function diskIsFull(path: string): Promise<boolean> {
  try {
    const { bavail, bsize } = await statfs(path)
    return bavail * bsize < fullBytesMax
  } catch {
    return false
  }
}
