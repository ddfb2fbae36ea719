import { type Command, Option } from 'commander'
import { withConnection } from './connection-options.ts'
import { collect, given } from './option-values.ts'

/** `leasehold token`: what each subcommand does is in a file of its own, loaded when it is called. */
export function addTokenCommands(root: Command, exit: (code: number) => void): void {
  const token = root.command('token').description('signed tokens that can do less than their user')

  withConnection(token.command('issue').description('a token of the cluster for the caller; or of a key at hand'))
    .option('--for <user>', 'for another user, which takes root; required with --signing-key', given)
    .option(
      '--allow <what>',
      'read:prefix=/app/, write:key=k, read,write:all, lease, ...; may be repeated',
      collect,
      [],
    )
    .option('--scope <json>', 'the same as the claim has it; @file reads it from there', given)
    .option('--ttl <duration>', 'how long it lives; the default is the longest that is allowed', given)
    .option('--bind', 'to the certificate of --cert: it is of no use with another')
    .option('--bind-to <certificate>', 'to the certificate in that file, or to that thumbprint', given)
    .option('--out <file>', 'write it there, for nobody else to read, and print what it is', given)
    .option('--json', 'print JSON')
    .option('--signing-key <file>', 'sign it here, without the cluster', given)
    .option('--issuer <name>', 'with that: who issues it', given, 'leasehold')
    .option('--audience <name>', "with that: the cluster's id in hex, unless its flags say otherwise", given)
    .action(async (options) => {
      const { tokenIssue } = await import('./token-issue.ts')
      exit(await tokenIssue(options))
    })

  token
    .command('inspect')
    .description('what a token says, without its signature; with keys, whether it is good')
    .argument('<file>', 'the token; - for standard input', given)
    .option('--keys <file>', 'public keys to verify it with; exits with 2 if it is not good', given)
    .option('--issuer <name>', 'with that: what it must say', given)
    .option('--audience <name>', 'the same', given)
    .action(async (file, options) => {
      const { tokenInspect } = await import('./token-inspect.ts')
      exit(await tokenInspect(file, options))
    })

  withConnection(token.command('revoke').description('end the token of --token or --token-file, on all members'))
    .option('--id <jti>', 'end that one instead, which takes root', given)
    .option('--of <user>', 'end all of a user, which takes root', given)
    .action(async (options) => {
      const { tokenRevoke } = await import('./token-revoke.ts')
      exit(await tokenRevoke(options))
    })

  withConnection(token.command('whoami').description('who the cluster takes the caller for, and what a token allows'))
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { tokenWhoAmI } = await import('./token-whoami.ts')
      exit(await tokenWhoAmI(options))
    })

  addKeyCommands(
    token.command('keys').description('the keys of tokens: a file of public ones, and one to sign with'),
    exit,
  )
}

function addKeyCommands(keys: Command, exit: (code: number) => void): void {
  const withFile = (command: Command): Command =>
    command.requiredOption('--keys <file>', 'public keys (a JWK set), for --token-keys-file', given)

  withFile(keys.command('new').description('make a key, and put its public half among the others'))
    .requiredOption('--signing-key <file>', 'where the key goes, for --token-signing-key-file; a new file', given)
    .addOption(
      new Option('--algorithm <name>', 'what it is for')
        .choices(['EdDSA', 'ES256', 'ES384', 'ES512', 'RS256', 'PS256'])
        .default('EdDSA'),
    )
    .action(async (options) => {
      const { tokenKeysNew } = await import('./token-keys.ts')
      exit(await tokenKeysNew(options))
    })
  withFile(keys.command('add').description('put public keys among the others'))
    .argument('<file>', 'a JWK set, a public or private key, a certificate', given)
    .action(async (file, options) => {
      const { tokenKeysAdd } = await import('./token-keys.ts')
      exit(await tokenKeysAdd(file, options))
    })
  withFile(keys.command('retire').description('take a key out: tokens that it signed are good no longer'))
    .requiredOption('--kid <id>', 'its id', given)
    .action(async (options) => {
      const { tokenKeysRetire } = await import('./token-keys.ts')
      exit(await tokenKeysRetire(options))
    })
  withConnection(keys.command('list').description('the keys of a file, or of the members that are asked'))
    .option('--keys <file>', 'instead of asking', given)
    .option('--json', 'print the JWK set')
    .action(async (options) => {
      const { tokenKeysList } = await import('./token-keys.ts')
      exit(await tokenKeysList(options))
    })
}
