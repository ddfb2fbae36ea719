import { scopeClaim } from '../auth/scope.ts'
import { scopeEntryOfWire } from '../auth/scope-wire.ts'
import { WhoAmIRequest, WhoAmIResponse } from '../wire/gen/leasehold.ts'
import { auditIdOf } from './audit-id.ts'
import { connect } from './connection.ts'
import type { ConnectionOptions } from './connection-options.ts'
import { jsonText } from './pki-access.ts'

export async function tokenWhoAmI({ json, ...options }: ConnectionOptions & { json?: boolean }): Promise<number> {
  const client = await connect(options)
  try {
    const answer = await client.unary('/leasehold.v1.Tokens/WhoAmI', WhoAmIRequest.encode({}).finish(), {
      isRepeatable: true,
    })
    const said = describe(WhoAmIResponse.decode(answer))
    process.stdout.write(json === true ? jsonText(said) : plainText(said))
    return 0
  } finally {
    client.close()
  }
}

/** What there is to say; fields without a value are left out. */
function describe(response: WhoAmIResponse): Readonly<Record<string, unknown>> {
  const { user, groups, roles, token_id, expires_ms, certificate_name } = response
  const scope = scopeClaim({ entries: response.scope.map(scopeEntryOfWire) })
  return {
    user: user === '' ? null : user,
    ...(groups.length === 0 ? {} : { groups }),
    roles,
    ...(response.is_scoped ? { scope } : {}),
    ...(token_id === '' ? {} : { token: token_id, audit: auditIdOf(token_id) }),
    ...(expires_ms === 0n ? {} : { expires: new Date(Number(expires_ms)).toISOString() }),
    ...(certificate_name === '' ? {} : { certificate: certificate_name }),
  }
}

const plainText = (said: Readonly<Record<string, unknown>>): string =>
  Object.entries(said)
    .map(
      ([name, value]) =>
        `${name}: ${value === null ? 'nobody' : typeof value === 'string' ? value : JSON.stringify(value)}\n`,
    )
    .join('')
