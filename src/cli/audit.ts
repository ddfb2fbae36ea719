import type { Command } from 'commander'
import { collect, count, given } from './option-values.ts'

/** `leasehold audit`: what each subcommand does is in a file of its own, loaded when it is called. */
export function addAuditCommands(root: Command, exit: (code: number) => void): void {
  const audit = root.command('audit').description('what a member has written down of who did what')

  audit
    .command('verify')
    .description('whether a trail is as it was written: exits with 2, and names the first bad place, if not')
    .argument('<folder>', 'of the trail', given)
    // Without a default: with one, even an empty one, it counts as given.
    .requiredOption('--public-key <file>', 'that its checkpoints are signed with; may be repeated', collect)
    .option('--expect <checkpoint>', 'one that was seen before, as verify prints it, or a file with it', given)
    .option('--json', 'print JSON')
    .action(async (folder, options) => {
      const { auditVerify } = await import('./audit-verify.ts')
      exit(await auditVerify(folder, options))
    })

  audit
    .command('tail')
    .description('print the newest records of a trail, and those that come')
    .argument('<folder>', 'of the trail', given)
    .option('-n, --lines <n>', 'of those that are there', count, 10)
    .option('--all', 'all that are there, from the oldest on')
    .option('--no-follow', 'do not wait for more')
    .option('--user <pattern>', 'of users like this; * is any text; may be repeated', collect, [])
    .option('--method <pattern>', 'of methods like this, such as *KV/Put; may be repeated', collect, [])
    .option('--denied', 'of callers who might not')
    .option('--json', 'print the records as they are')
    .action(async (folder, options) => {
      const { auditTail } = await import('./audit-tail.ts')
      exit(await auditTail(folder, options))
    })
}
