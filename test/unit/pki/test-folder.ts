import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type IssuedLeaf, type IssueOptions, initAuthority, issueLeaf } from '../../../src/pki/index.ts'

/** A folder with an authority in `ca` and certificates in `out`; removed at the end of the test that has it. */
export class TestFolder implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), 'leasehold-pki-'))

  /** @param name of the authority's folder. */
  init(name = 'ca', more: Partial<Parameters<typeof initAuthority>[0]> = {}): string {
    initAuthority({ dir: this.path(name), commonName: `authority ${name}`, validityDays: 100, ...more })
    return this.path(name)
  }

  issue(name: string, more: Partial<IssueOptions> = {}): IssuedLeaf {
    return issueLeaf({
      dir: this.path('ca'),
      profile: 'member',
      commonName: name,
      name,
      dnsNames: ['localhost'],
      ipAddresses: [],
      uris: [],
      outDir: this.path('out'),
      ...more,
    })
  }

  path(...names: string[]): string {
    return join(this.root, ...names)
  }

  read(...names: string[]): string {
    return readFileSync(this.path(...names), 'utf8')
  }

  write(name: string, bytes: string | Uint8Array): string {
    writeFileSync(this.path(name), bytes, { mode: 0o600 })
    return this.path(name)
  }

  /** @throws with what OpenSSL wrote if it fails. */
  openssl(...args: string[]): string {
    return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], cwd: this.root })
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true })
  }
}
