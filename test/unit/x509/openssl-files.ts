import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What OpenSSL makes, in a folder of its own: an authority with a CRL, leaves and requests. */
export class OpensslFiles implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'leasehold-openssl-'))

  constructor() {
    writeFileSync(
      this.path('ca.cnf'),
      [
        '[ca]\ndefault_ca=d',
        `[d]\ndatabase=${this.path('index.txt')}\ncrlnumber=${this.path('crlnumber')}\nunique_subject=no`,
        `rand_serial=yes\nnew_certs_dir=${this.dir}\ndefault_md=sha256\npolicy=p\ncopy_extensions=copy\ncrl_extensions=c`,
        'default_crl_days=30\ndefault_days=30',
        '[p]\ncommonName=optional',
        '[c]\nauthorityKeyIdentifier=keyid:always',
        '[v3_ca]\nbasicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign',
        'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always',
        '[req]\ndistinguished_name=n\nprompt=no\n[n]\nCN=unused',
      ].join('\n'),
    )
    writeFileSync(this.path('index.txt'), '')
    writeFileSync(this.path('crlnumber'), '1001\n')
  }

  path(name: string): string {
    return join(this.dir, name)
  }

  read(name: string): Buffer {
    return readFileSync(this.path(name))
  }

  write(name: string, bytes: string | Uint8Array): string {
    writeFileSync(this.path(name), bytes)
    return this.path(name)
  }

  /** @throws with what OpenSSL wrote if it fails. */
  run(...args: string[]): string {
    return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], cwd: this.dir })
  }

  /** @param key options of `openssl genpkey`. */
  key(name: string, ...key: string[]): string {
    const options = key.length > 0 ? key : ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']
    this.run('genpkey', ...options, '-out', `${name}.key`)
    return this.path(`${name}.key`)
  }

  /** `name`.crt and `name`.key, self-signed. */
  authority(name: string, subject = `/CN=${name}`, ...key: string[]): void {
    this.key(name, ...key)
    this.selfSigned(name, subject)
  }

  selfSigned(name: string, subject: string, ...more: string[]): void {
    this.run(
      ...['req', '-new', '-x509', '-config', 'ca.cnf', '-extensions', 'v3_ca', '-key', `${name}.key`],
      ...['-subj', subject, '-days', '100', '-out', `${name}.crt`, ...more],
    )
  }

  /** `name`.csr and `name`.key. @param extensions as for `-addext`. */
  request(name: string, subject: string, extensions: readonly string[] = [], ...key: string[]): void {
    this.key(name, ...key)
    this.run(
      ...['req', '-new', '-utf8', '-config', 'ca.cnf', '-key', `${name}.key`, '-subj', subject, '-out', `${name}.csr`],
      ...extensions.flatMap((each) => ['-addext', each]),
    )
  }

  /** `name`.crt by `authority`. */
  issue(authority: string, name: string, subject = `/CN=${name}`, extensions: readonly string[] = []): void {
    this.request(name, subject, extensions)
    this.ca(authority, '-in', `${name}.csr`, '-out', `${name}.crt`, '-notext')
  }

  ca(authority: string, ...args: string[]): void {
    this.run('ca', '-batch', '-config', 'ca.cnf', '-cert', `${authority}.crt`, '-keyfile', `${authority}.key`, ...args)
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true })
  }
}
