import { type Command, Option } from 'commander'
import { collect, count, given } from './option-values.ts'

/** `leasehold pki`: what each subcommand does is in a file of its own, loaded when it is called. */
export function addPkiCommands(root: Command, exit: (code: number) => void): void {
  const pki = root.command('pki').description('the certificate authority for members and clients')

  authority(pki.command('init').description('create an authority: a self-signed one, or an intermediate one'))
    .option('--common-name <name>', 'its name', 'leasehold authority')
    .option('--days <n>', "validity in days; the default is the profile's", count)
    .addOption(
      new Option('--kind <kind>', 'parent: signs intermediate authorities').choices(['root', 'parent']).default('root'),
    )
    .option('--parent <folder>', 'make an intermediate authority, signed by that of this folder', given)
    .option('--parent-passphrase-file <file>', "with the passphrase of the parent's key; - for standard input", given)
    .option('--start-over', 'replace what an init left that was interrupted')
    .action(async (options) => {
      const { pkiInit } = await import('./pki-init.ts')
      exit(pkiInit(options))
    })

  names(authority(pki.command('issue').description('issue a certificate with a new key')))
    .requiredOption('--profile <profile>', 'member, client, operator or proxy')
    .requiredOption('--name <name>', 'name of the files, and common name unless that is given')
    .requiredOption('--out <folder>', 'where certificate and key are written', given)
    .option('--days <n>', "validity in days; the default is the profile's", count)
    .action(async (options) => {
      const { pkiIssue } = await import('./pki-issue.ts')
      exit(pkiIssue(options))
    })

  const csr = pki.command('csr').description('certificate requests: for keys that stay where they are made')
  names(csr.command('new').description('make a key and a request for a certificate'))
    .requiredOption('--name <name>', 'name of the files, and common name unless that is given')
    .requiredOption('--out <folder>', 'where request and key are written', given)
    .action(async (options) => {
      const { pkiCsrNew } = await import('./pki-csr.ts')
      exit(pkiCsrNew(options))
    })
  names(authority(csr.command('sign').description('issue a certificate for a request, of OpenSSL for example')))
    .requiredOption('--in <file>', 'the request', given)
    .requiredOption('--profile <profile>', 'member, client, operator or proxy')
    .requiredOption('--name <name>', 'name of the certificate’s file')
    .requiredOption('--out <folder>', 'where the certificate is written', given)
    .option('--days <n>', "validity in days; the default is the profile's", count)
    .action(async (options) => {
      const { pkiCsrSign } = await import('./pki-csr.ts')
      exit(pkiCsrSign(options))
    })

  renewal(authority(pki.command('renew').description('a new certificate in place of one, for the same key'))).action(
    async (options) => {
      const { pkiRenew } = await import('./pki-renew.ts')
      exit(pkiRenew(options))
    },
  )

  const rotate = pki.command('rotate').description('new keys: of a certificate, or of the authority')
  renewal(authority(rotate.command('certificate').description('a new key and certificate in place of those')))
    .requiredOption('--key <file>', 'private key of the certificate; replaced', given)
    .action(async (options) => {
      const { pkiRenew } = await import('./pki-renew.ts')
      exit(pkiRenew(options))
    })
  authority(rotate.command('authority').description('a new key of the authority, step by step (see pki/README.md)'))
    .option('--begin', 'first step: make the new key, and trust both')
    .option('--switch', 'second step, when all trust both: issue with the new key')
    .option('--finish', 'third step, when no certificates of the old key are left: trust only the new one')
    .option('--abort', 'instead of the second step: give the new key up')
    .option('--refresh', "of an intermediate authority: trust what the parent's ca.crt says now")
    .option('--common-name <name>', "with --begin: its name; the default is the old one's")
    .option('--days <n>', "with --begin: validity in days; the default is the profile's", count)
    .option('--parent <folder>', 'with --begin and --refresh: of an intermediate authority, who signs it', given)
    .option('--parent-passphrase-file <file>', "with the passphrase of the parent's key; - for standard input", given)
    .option('--force', 'with --finish: even if certificates of the old key are left')
    .action(async (options) => {
      const { pkiRotateAuthority } = await import('./pki-rotate-authority.ts')
      exit(pkiRotateAuthority(options))
    })

  authority(pki.command('revoke').description('revoke a certificate, and make the revocation list that says so'))
    .option('--cert <file>', 'the certificate', given)
    .option('--serial <hex>', 'or its serial number', given)
    .option('--reason <reason>', 'keyCompromise, superseded, cessationOfOperation, …', 'unspecified')
    .option('--crl-days <n>', 'until the next revocation list is due', count)
    .action(async (options) => {
      const { pkiRevoke } = await import('./pki-revoke.ts')
      exit(pkiRevoke(options))
    })

  authority(pki.command('crl').description('make a new revocation list'))
    .option('--days <n>', 'until the next one is due (default: 30)', count)
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { pkiCrl } = await import('./pki-crl.ts')
      exit(pkiCrl(options))
    })

  pki
    .command('show')
    .description("what is in a certificate, request, revocation list, key, bundle, or an authority's folder")
    .argument('<path>', 'file or folder', given)
    .option('--json', 'print JSON')
    .action(async (path, options) => {
      const { pkiShow } = await import('./pki-show.ts')
      exit(pkiShow(path, options))
    })

  pki
    .command('export')
    .description('certificate and key in one file')
    .requiredOption('--cert <file>', 'the certificate', given)
    .option('--key <file>', 'its private key', given)
    .option('--ca <file>', 'authorities to add', given)
    .requiredOption('--format <format>', 'pkcs12, bundle (the same in PEM) or chain (certificates only)')
    .option('--passphrase-file <file>', 'with the passphrase to encrypt the key with; - for standard input', given)
    .requiredOption('--out <file>', 'never overwritten', given)
    .action(async (options) => {
      const { pkiExport } = await import('./pki-export.ts')
      exit(pkiExport(options))
    })

  pki
    .command('expiring')
    .description('what ends soon, or just did; exits with 2 if there is something, so that cron can tell')
    .argument('[files...]', 'certificates to look at beside what the authority issued')
    .option('--dir <folder>', 'folder of the authority', given)
    .option('--within <period>', 'such as 36h, 30d or 4w', '30d')
    .option('--json', 'print JSON')
    .action(async (files, options) => {
      const { pkiExpiring } = await import('./pki-expiring.ts')
      exit(pkiExpiring(files, options))
    })

  pki
    .command('reindex')
    .description('put a damaged or lost index together again from what is kept beside it')
    .requiredOption('--dir <folder>', 'folder of the authority', given)
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { pkiReindex } = await import('./pki-reindex.ts')
      exit(pkiReindex(options))
    })
}

const authority = (command: Command): Command =>
  command
    .requiredOption('--dir <folder>', 'folder of the authority', given)
    .option('--passphrase-file <file>', 'with the passphrase of its key, in one line; - for standard input', given)
    .option('--profiles <file>', 'profiles instead of those of the package', given)

const names = (command: Command): Command =>
  command
    .option('--common-name <name>', 'common name of the subject')
    .option('--dns <name>', 'DNS name; may be repeated', collect, [])
    .option('--ip <address>', 'IP address; may be repeated', collect, [])
    .option('--uri <uri>', 'URI; may be repeated', collect, [])
    .option(
      '--member-of <cluster>',
      'bind it to the member of that name: URI leasehold://<cluster>/<common name>',
      given,
    )

const renewal = (command: Command): Command =>
  command
    .requiredOption('--cert <file>', 'the certificate; replaced', given)
    .option('--days <n>', 'validity in days; the default is that of the one before', count)
    .option('--revoke', 'revoke the one before, and make a revocation list')
