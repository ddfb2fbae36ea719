import { existsSync, statSync } from 'node:fs'
import { type VerificationKeys, verificationKeys } from '../audit/signing-key.ts'
import { type Verdict, verifyTrail } from '../audit/verify.ts'
import { CommandError } from './failure.ts'
import { readFile } from './read-file.ts'
import { settledVerdict } from './settled-verdict.ts'

const damagedExitCode = 2

export interface AuditVerifyOptions {
  readonly publicKey: readonly string[]
  readonly expect?: string
  readonly json?: boolean
}

/** @returns the exit code. @throws CommandError if it cannot be found out. */
export async function auditVerify(
  folder: string,
  { publicKey, expect, json = false }: AuditVerifyOptions,
): Promise<number> {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new CommandError(`${folder} is no folder`)
  }
  const keys = keysOf(publicKey)
  const expected = expect === undefined ? null : headOf(expect)
  const verdict = await settledVerdict(folder, (trail) => verifyTrail(trail, keys, expected))
  process.stdout.write(json ? `${JSON.stringify(verdict, null, 2)}\n` : textOf(verdict, expect !== undefined))
  return verdict.damage === null ? 0 : damagedExitCode
}

function keysOf(files: readonly string[]): VerificationKeys {
  return new Map(
    files.flatMap((file) => {
      try {
        return [...verificationKeys([readFile(file)])]
      } catch (error) {
        const { code } = ((error as Error).cause ?? error) as NodeJS.ErrnoException
        throw new CommandError(`${file} ${code === 'ENOENT' ? 'is not there' : 'is no Ed25519 key in PEM'}`)
      }
    }),
  )
}

const headForm = /^[1-9][0-9]{0,15}:[0-9a-f]{64}$/

/** A checkpoint as it is, or the one in a file: also among what `verify` has printed. */
function headOf(text: string): string {
  if (headForm.test(text)) return text
  if (!existsSync(text)) throw new CommandError(`${JSON.stringify(text)} is no checkpoint, and no file with one`)
  const found = /[1-9][0-9]{0,15}:[0-9a-f]{64}/.exec(readFile(text).toString('utf8'))
  if (found === null) throw new CommandError(`${text} has no checkpoint in it`)
  return found[0]
}

function textOf(
  { damage, files, records, checkpoint, unprovenRecords, isEnded }: Verdict,
  isExpected: boolean,
): string {
  const good = checkpoint === null ? '' : `newest good checkpoint: ${checkpoint.head} of ${checkpoint.time}\n`
  if (damage !== null) {
    const place = damage.line === 0 ? damage.file : `${damage.file}:${damage.line}`
    return `DAMAGED ${place === '' ? '' : `${place}: `}${damage.what}\n${records} records before it are as they were written\n${good}`
  }
  const unproven =
    unprovenRecords === 0 ? '' : `the last ${unprovenRecords} records have no checkpoint after them yet\n`
  const end = isEnded
    ? 'the member ended it\n'
    : 'the member has not ended it: it runs, or was killed, or the end was cut off\n'
  const advice = isExpected
    ? 'the expected checkpoint is in it\n'
    : 'records after the newest checkpoint could be cut off unseen: keep it elsewhere, and give it to --expect next time\n'
  return `good: ${records} records in ${files} files\n${good}${unproven}${end}${advice}`
}
