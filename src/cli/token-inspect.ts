import { silentLog } from '../base/log.ts'
import { type Claims, readCompact } from '../tokens/compact-token.ts'
import { TokenAuthority } from '../tokens/token-authority.ts'
import { auditIdOf } from './audit-id.ts'
import { CommandError } from './failure.ts'
import { jsonText } from './pki-access.ts'
import { readFile } from './read-file.ts'

export interface InspectOptions {
  readonly keys?: string
  readonly issuer?: string
  readonly audience?: string
}

const notGood = 2
const lifetimeMsMax = 24 * 60 * 60 * 1000

/** Prints what the token says; never its signature, without which it is of no use to who reads that. */
export async function tokenInspect(file: string, options: InspectOptions): Promise<number> {
  const token = readFile(file).toString('latin1').trim()
  const read = readCompact(token)
  if (read === null) throw new CommandError(`${file}: not a signed token`)
  const header = Object.fromEntries(read.header)
  const claims = Object.fromEntries(read.payload)
  const times = Object.fromEntries(
    ['iat', 'nbf', 'exp'].flatMap((name) => {
      const text = timeText(claims[name])
      return text === null ? [] : [[name, text]]
    }),
  )
  const isGood = options.keys === undefined ? null : await isGoodBy(options.keys, token, read.payload, options)
  const verdict = isGood === null ? {} : { good: isGood }
  const { jti } = claims
  const audit = typeof jti === 'string' ? { audit: auditIdOf(jti) } : {}
  process.stdout.write(jsonText({ header, claims, times, ...audit, ...verdict }))
  return isGood === false ? notGood : 0
}

function timeText(value: unknown): string | null {
  const ms = typeof value === 'number' ? value * 1000 : Number.NaN
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : null
}

/** What is not given to compare with is taken from the token: its signature and its times are what is looked at then. */
async function isGoodBy(
  keysFile: string,
  token: string,
  payload: Claims,
  { issuer, audience }: InspectOptions,
): Promise<boolean> {
  const [claimed] = [payload.get('aud')].flat()
  const expected = {
    signingKeyFile: null,
    keysFile,
    issuer: issuer ?? String(payload.get('iss')),
    audience: audience ?? String(claimed),
    lifetimeMsMax,
  }
  const authority = await TokenAuthority.open({ own: expected, outside: null }, '', silentLog)
  try {
    return (await authority.verify(token)) !== null
  } finally {
    authority.close()
  }
}
