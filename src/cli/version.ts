import { readFileSync } from 'node:fs'

/** From package.json, which lies two folders above both src/cli and dist/cli. */
export function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  if (typeof manifest !== 'object' || manifest === null || !('version' in manifest))
    throw new Error('package.json has no version')
  return String(manifest.version)
}

/** What `--version` prints, in the shape of etcd's. */
export const versionText = (): string =>
  `leasehold Version: ${version()}\nNode Version: ${process.version}\nOS/Arch: ${process.platform}/${process.arch}\n`
