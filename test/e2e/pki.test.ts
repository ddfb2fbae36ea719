import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { leasehold, run } from '../support/run.ts'

const dir = mkdtempSync(join(tmpdir(), 'leasehold-pki-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const pki = (...args: string[]) => run(leasehold, ['pki', ...args], { cwd: dir, timeoutMs: 60_000 })

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await pki(...args)
  assert.equal(code, 0, stderr)
  return stdout
}

const openssl = (...args: string[]) => run('openssl', args, { cwd: dir })

describe('the command line', () => {
  before(async () => {
    await ok('init', '--dir', 'ca', '--common-name', 'test')
    await ok('issue', '--dir', 'ca', '--profile', 'member', '--name', 'm1', '--dns', 'localhost', '--out', 'out')
    writeFileSync(join(dir, 'empty'), '')
    writeFileSync(join(dir, 'noise'), Buffer.alloc(1000, 0xa5))
    writeFileSync(join(dir, 'profiles.yaml'), 'certificates: {}\n')
    writeFileSync(join(dir, 'open-passphrase'), 'long enough\n', { mode: 0o644 })
  })

  for (const [args, reason] of [
    [['show', 'nothing'], 'nothing: cannot read: ENOENT'],
    [['show', 'empty'], 'empty: it is empty'],
    [['show', 'noise'], 'noise: no PEM block and no DER in it'],
    [['show', ''], "command-argument value '' is invalid for argument 'path'. It must not be empty"],
    [['show', 'out'], 'out/index.jsonl: is missing: there is no authority in this folder'],
    [['init', '--dir', 'ca'], 'ca/index.jsonl: exists already; an authority is never overwritten'],
    [['init', '--dir', '/proc/x/y'], '/proc/x/y: cannot create folder: ENOENT'],
    [['init', '--dir', 'new', '--days', '-1'], "option '--days <n>' argument '-1' is invalid. It is not a number"],
    [['init', '--dir', 'new', '--days', '0'], 'validity must be 1 to 7300 days, not 0'],
    [['init', '--dir', 'new', '--parent', 'nothing'], 'nothing: there is no such folder'],
    [['init', '--dir', 'new', '--passphrase-file', 'empty'], 'empty: passphrase is accessible to group or others'],
    [['init', '--dir', 'new', '--passphrase-file', 'open-passphrase'], 'run chmod 600 on it'],
    [['init', '--dir', 'new', '--profiles', 'profiles.yaml'], 'profiles.yaml: authorities: '],
    [['issue', '--dir', 'ca', '--profile', 'x', '--name', 'x', '--out', 'out'], 'unknown profile x: use one of member'],
    [
      ['issue', '--dir', 'ca', '--profile', 'client', '--name', '../x', '--out', 'out'],
      'not a usable file name: "../x"',
    ],
    [
      [
        'issue',
        '--dir',
        'ca',
        '--profile',
        'member',
        '--name',
        'x',
        '--dns',
        'x',
        '--member-of',
        'a/b',
        '--out',
        'out',
      ],
      '--member-of: cluster and common name must be letters',
    ],
    [
      ['csr', 'sign', '--dir', 'ca', '--profile', 'client', '--name', 'x', '--in', 'noise', '--out', 'o'],
      'noise: no cert',
    ],
    [['renew', '--dir', 'ca', '--cert', 'ca/ca.crt'], 'is not one of '],
    [['rotate', 'authority', '--dir', 'ca'], 'one of --begin, --switch, --finish, --abort, --refresh is needed'],
    [['rotate', 'authority', '--dir', 'ca', '--begin', '--switch'], 'one of --begin, --switch'],
    [['rotate', 'authority', '--dir', 'ca', '--refresh'], '--refresh needs --parent'],
    [['rotate', 'authority', '--dir', 'ca', '--finish'], 'nothing to finish: no rotation is going on'],
    [['revoke', '--dir', 'ca'], 'name either a certificate file or a serial'],
    [['revoke', '--dir', 'ca', '--serial', '00', '--reason', 'x'], 'unknown reason x: use one of unspecified'],
    [['crl', '--dir', 'ca', '--days', '366'], 'validity must be 1 to 365 days, not 366'],
    [['export', '--cert', 'out/m1.crt', '--format', 'pkcs12', '--out', 'p12'], 'format pkcs12 needs a key file'],
    [['expiring'], 'name an authority with --dir, or files'],
    [['expiring', '--dir', 'ca', '--within', 'soon'], 'not a period: "soon" (such as 36h, 30d or 4w)'],
    [['reindex', '--dir', 'ca'], 'index.jsonl: is sound, there is nothing to do'],
    [['nonsense'], 'leasehold: '],
  ] as const)
    test(`is refused in one line: pki ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await pki(...args)
      assert.equal(code, 1)
      assert.equal(stdout, '')
      assert.match(stderr, /^leasehold[^\n]*\n$/)
      assert.ok(stderr.includes(reason), stderr)
    })

  test('expiring tells cron by its exit code', async () => {
    assert.deepEqual(await pki('expiring', '--dir', 'ca', '--within', '30d'), { code: 0, stdout: '', stderr: '' })
    const { code, stdout } = await pki('expiring', '--dir', 'ca', '--within', '400d', '--json')
    assert.equal(code, 2)
    assert.deepEqual(
      JSON.parse(stdout).map(({ name, what }: { name: string; what: string }) => ({ name, what })),
      [{ name: 'm1', what: 'certificate' }],
    )
    assert.match((await pki('expiring', 'out/m1.crt', '--within', '52w')).stdout, /^$/)
    assert.match(
      (await pki('expiring', 'out/m1.crt', '--within', '53w')).stdout,
      /^certificate out\/m1\.crt \(\w+\) expires/,
    )
  })

  test('hostile names reach the terminal escaped, in both forms', async () => {
    writeFileSync(
      join(dir, 'hostile.cnf'),
      '[req]\ndistinguished_name=n\nprompt=no\nutf8=yes\n[n]\nCN=a\u202eb\u001b[2J\u0085é\n',
    )
    const made = await openssl(
      ...[
        'req',
        '-x509',
        '-newkey',
        'ed25519',
        '-nodes',
        '-keyout',
        'h.key',
        '-config',
        'hostile.cnf',
        '-out',
        'h.crt',
      ],
    )
    assert.equal(made.code, 0, made.stderr)
    assert.match(await ok('show', 'h.crt'), /^ {2}subject: CN=a\\u\{202e\}b\\u\{1b\}\[2J\\u\{85\}é$/m)
    const json = await ok('show', 'h.crt', '--json')
    assert.match(json, /^[\x20-\x7e\n]*$/)
    assert.equal(JSON.parse(json)[0].subject, 'CN=a\\u{202e}b\\u{1b}[2J\\u{85}é')
  })

  test('the passphrase may come from standard input', async () => {
    const withPassphrase = (...args: string[]) =>
      run(leasehold, ['pki', ...args, '--passphrase-file', '-'], {
        cwd: dir,
        input: 'from a pipe\n',
        timeoutMs: 60_000,
      })
    assert.equal((await withPassphrase('init', '--dir', 'locked')).code, 0)
    assert.match((await pki('crl', '--dir', 'locked')).stderr, /the authority key is encrypted: a passphrase is needed/)
    assert.equal((await withPassphrase('crl', '--dir', 'locked')).code, 0)
    assert.match(readFileSync(join(dir, 'locked', 'crl.pem'), 'latin1'), /BEGIN X509 CRL/)
  })

  test('four at once all get their certificates', async () => {
    const issue = (name: string) =>
      ok('issue', '--dir', 'ca', '--profile', 'client', '--name', name, '--out', 'at-once')
    await Promise.all(['a', 'b', 'c', 'd'].map(issue))
    const { issued } = JSON.parse(await ok('show', 'ca', '--json'))
    assert.deepEqual(issued.map(({ subject }: { subject: string }) => subject).toSorted(), ['a', 'b', 'c', 'd', 'm1'])
  })
})
