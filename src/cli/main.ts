/** The `leasehold` command. Each subcommand is one file; what a command needs is loaded when it is called. */
import { Command, CommanderError, Help } from 'commander'
import { addAuditCommands } from './audit.ts'
import { failureLine } from './failure.ts'
import { count, given } from './option-values.ts'
import { outputTo } from './output.ts'
import { addPkiCommands } from './pki.ts'
import { addPolicyCommands } from './policy.ts'
import { addTokenCommands } from './token.ts'
import { version, versionText } from './version.ts'

const usageExitCode = 1

function program(exit: (code: number) => void): Command {
  const root = new Command('leasehold')
    .description('A security-focused, replicated key-value store that speaks the v3 API of etcd.')
    .version(version(), '--version', 'print the version and exit')
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .configureHelp({
      optionDescription: (option) => new Help().optionDescription(option).replace(' (default: [])', ''),
    })

  // For the list of commands only: `main` hands serve its flags as they are, because they follow Go's rules.
  root.command('serve').description("run one member; takes etcd's flags (see: leasehold serve --help)")

  root
    .command('quickstart')
    .description('an authority, certificates and a cluster with mutual TLS on this machine; keeps its data')
    .option('--dir <folder>', 'where certificates, data and logs go', given, '.quickstart')
    .option('--members <n>', 'members of a new cluster, 1 to 7 (default: 3)', count)
    .option(
      '--base-port <port>',
      'first of the ports of a new cluster, two for each member (default: from 23790)',
      count,
    )
    .option('--serve-threads <n>', 'serving threads of each member', count, 1)
    .option('--once <command>', 'run a shell command with ETCDCTL_* set, then stop; exits with its code', given)
    .action(async (options) => {
      const { quickstart } = await import('./quickstart.ts')
      exit(await quickstart(options))
    })

  addPkiCommands(root, exit)
  addTokenCommands(root, exit)
  addPolicyCommands(root, exit)
  addAuditCommands(root, exit)

  root
    .command('version')
    .description('print the version, and what it runs on')
    .action(() => {
      process.stdout.write(versionText())
    })
  return root
}

async function dispatch(args: readonly string[]): Promise<number> {
  if (args[0] === 'serve') {
    const { serve } = await import('./serve.ts')
    return serve(args.slice(1))
  }
  let exitCode = 0
  const root = program((code) => {
    exitCode = code
  })
  if (args.length === 0) {
    process.stderr.write(root.helpInformation())
    return usageExitCode
  }
  await root.parseAsync(args, { from: 'user' })
  return exitCode
}

async function main(args: readonly string[]): Promise<number> {
  try {
    return await dispatch(args)
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help that was shown for want of a command says enough.
      if (error.exitCode !== 0 && error.code !== 'commander.help')
        process.stderr.write(`leasehold: ${usageProblem(error)} (see: leasehold --help)\n`)
      return error.exitCode === 0 ? 0 : usageExitCode
    }
    process.stderr.write(failureLine(args[0] ?? '', error))
    return 1
  }
}

const usageProblem = (error: CommanderError): string => error.message.replace(/^error: /, '').split('\n', 1)[0] ?? ''

const args = process.argv.slice(2)
// A member that ends waits for nobody who does not read its log.
const output = args[0] === 'serve' ? [] : [process.stdout, process.stderr].map(outputTo)
let exitCode = await main(args)
for (const each of output) {
  const failure = await each.written()
  if (failure === null) continue
  process.stderr.write(failureLine(args[0] ?? '', failure))
  exitCode ||= 1
}
// Explicitly, because a command's leftovers (an idle client connection, say) must not keep the process alive.
process.exit(exitCode)
