import type { Command } from 'commander'
import { withConnection } from './connection-options.ts'
import { collect, given } from './option-values.ts'

/** `leasehold policy`: what each subcommand does is in a file of its own, loaded when it is called. */
export function addPolicyCommands(root: Command, exit: (code: number) => void): void {
  const policy = root.command('policy').description('who may do what, as a file (see policies/README.md)')

  withAccepted(policy.command('check').description('look for what is wrong in a policy, or seldom meant'))
    .argument('<file>', 'policy; - for standard input', given)
    .option('--strict', 'take warnings for errors')
    .option('--json', 'print JSON')
    .action(async (file, options) => {
      const { policyCheck } = await import('./policy-check.ts')
      exit(policyCheck(file, options))
    })

  policy
    .command('test')
    .description('run the cases of policies; exits with 1 if one fails')
    .argument('<files...>', 'policies', given)
    .action(async (_first, _options, command: Command) => {
      const { policyTest } = await import('./policy-test.ts')
      exit(policyTest(command.args))
    })

  withConnection(withPrune(policy.command('diff').description('what apply would do; exits with 2 if that is anything')))
    .argument('<file>', 'policy; - for standard input', given)
    .option('--json', 'print JSON')
    .action(async (file, options) => {
      const { policyDiff } = await import('./policy-diff.ts')
      exit(await policyDiff(file, options))
    })

  withConnection(
    withAccepted(withPrune(policy.command('apply').description('make a cluster what a policy says, in one change'))),
  )
    .argument('<file>', 'policy; - for standard input', given)
    .option('--dry-run', 'only say what would be done')
    .action(async (file, options) => {
      const { policyApply } = await import('./policy-apply.ts')
      exit(await policyApply(file, options))
    })

  withConnection(policy.command('export').description('print the rules of a cluster as a policy')).action(
    async (options) => {
      const { policyExport } = await import('./policy-export.ts')
      exit(await policyExport(options))
    },
  )

  withConnection(
    policy.command('explain').description('whether somebody may, and which rule says so; exits with 2 if not'),
  )
    .usage('[options] [file] <user> <verb> [key]')
    .argument('<words...>', 'a policy (without it the cluster is asked), who, what (read, write, monitor, ...), a key')
    .option('--group', 'not a user is meant, but a group')
    .option('--role', 'not a user is meant, but a role')
    .option('--prefix', 'all keys that begin with the key; of an empty one, all there are')
    .option('--from-key', 'all keys from the key on')
    .option('--to <key>', 'all keys from the key to before this one', given)
    .option('--base64', 'keys are given in base64')
    .option('--json', 'print JSON')
    .action(async (_first, options, command: Command) => {
      const { policyExplain } = await import('./policy-explain.ts')
      exit(await policyExplain(command.args, options))
    })
}

const withPrune = (command: Command): Command =>
  command.option('--prune', 'delete roles, users and groups that the policy does not have')

const withAccepted = (command: Command): Command =>
  command.option('--accept <finding>', 'an error of check that is meant; may be repeated', collect, [])
