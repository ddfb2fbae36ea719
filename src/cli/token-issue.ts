import { createHash, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import type { Scope } from '../auth/scope.ts'
import { wireOfScopeEntry } from '../auth/scope-wire.ts'
import { isSha256Text } from '../base/sha256-text.ts'
import { readSigningKey } from '../tokens/signing-key.ts'
import { signToken } from '../tokens/token-authority.ts'
import { TokenIssueRequest, TokenIssueResponse } from '../wire/gen/leasehold.ts'
import { connect } from './connection.ts'
import { type ConnectionOptions, durationOf } from './connection-options.ts'
import { CommandError } from './failure.ts'
import { readFile } from './read-file.ts'
import { type ScopeOptions, scopeOfOptions } from './token-scope.ts'

export interface IssueOptions extends ConnectionOptions, ScopeOptions {
  readonly for?: string
  readonly ttl?: string
  readonly bind?: boolean
  readonly bindTo?: string
  readonly out?: string
  readonly json?: boolean
  readonly signingKey?: string
  readonly issuer: string
  readonly audience?: string
}

interface Issued {
  readonly token: string
  readonly id: string
  readonly expiresMs: number
}

const offlineTtl = '15m'

export async function tokenIssue(options: IssueOptions): Promise<number> {
  const scope = scopeOfOptions(options)
  const issued = options.signingKey === undefined ? await byCluster(options, scope) : await byKey(options, scope)
  const expires = new Date(issued.expiresMs).toISOString()
  if (options.out !== undefined) {
    writeFileSync(options.out, `${issued.token}\n`, { mode: 0o600, flag: 'wx' })
    process.stdout.write(
      options.json === true
        ? `${JSON.stringify({ file: options.out, id: issued.id, expires })}\n`
        : `${options.out}: token ${issued.id}, until ${expires}\n`,
    )
  } else if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ token: issued.token, id: issued.id, expires })}\n`)
  } else process.stdout.write(`${issued.token}\n`)
  return 0
}

async function byCluster(options: IssueOptions, scope: Scope | null): Promise<Issued> {
  if (options.audience !== undefined)
    throw new CommandError('--audience goes with --signing-key: a member knows its own')
  const request = TokenIssueRequest.encode({
    user: options.for ?? '',
    scope: scope === null ? [] : scope.entries.map(wireOfScopeEntry),
    ttl_seconds: options.ttl === undefined ? 0n : BigInt(ttlSecondsOf(options.ttl)),
    bind_to_certificate: options.bind === true,
    certificate_sha256: options.bindTo === undefined ? '' : thumbprintOf(options.bindTo),
  }).finish()
  const client = await connect(options)
  try {
    const answer = await client.unary('/leasehold.v1.Tokens/Issue', request, { isRepeatable: true })
    const { token, id, expires_ms } = TokenIssueResponse.decode(answer)
    return { token, id, expiresMs: Number(expires_ms) }
  } finally {
    client.close()
  }
}

async function byKey(options: IssueOptions, scope: Scope | null): Promise<Issued> {
  const { signingKey, audience, issuer } = options
  if (signingKey === undefined || audience === undefined) throw new CommandError('--signing-key needs --audience')
  if (options.for === undefined) throw new CommandError('--signing-key needs --for: whose token it is to be')
  if (options.bind === true && options.cert === undefined) throw new CommandError('--bind needs --cert')
  const bindTo = options.bindTo ?? (options.bind === true ? options.cert : undefined)
  const nowMs = Date.now()
  const expiresMs = Math.floor(nowMs / 1000 + ttlSecondsOf(options.ttl ?? offlineTtl)) * 1000
  const newToken = {
    name: options.for,
    groups: null,
    userId: null,
    revision: null,
    ancestors: [],
    scope,
    certificate: bindTo === undefined ? null : thumbprintOf(bindTo),
    expiresMs,
  }
  const signed = await signToken(await readSigningKey(signingKey, 'any'), { issuer, audience }, newToken, nowMs / 1000)
  return { ...signed, expiresMs }
}

/** @throws CommandError */
function ttlSecondsOf(text: string): number {
  const seconds = Math.floor(durationOf('ttl', text) / 1000)
  if (seconds < 1) throw new CommandError(`--ttl: ${text} is less than a second`)
  return seconds
}

/** Of a certificate in a file, or as it is given. @throws CommandError */
function thumbprintOf(text: string): string {
  if (isSha256Text(text)) return text
  try {
    return createHash('sha256')
      .update(new X509Certificate(readFile(text)).raw)
      .digest('base64url')
  } catch {
    throw new CommandError(`${text}: neither a certificate nor the SHA-256 of one in base64url`)
  }
}
