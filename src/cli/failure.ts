/** A command that could not do its work. The message is one line for the person who typed it. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}

/** The last line of a command that fails: what was asked, and why it was refused. */
export function failureLine(command: string, error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error)
  return `leasehold ${command}: ${reason.split('\n', 1)[0]}\n`
}
