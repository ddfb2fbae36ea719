/**
 * The name that binds a member's certificate to one member of one cluster: `leasehold://<cluster>/<member>`, a URI among
 * the subject's alternative names. `cluster` is its `--initial-cluster-token`, `member` its `--name`.
 */
export interface MemberUri {
  readonly cluster: string
  readonly member: string
}

export const memberUriScheme = 'leasehold:'

/** What needs no escaping in a URI, so that two names are the same exactly if their bytes are. */
const part = /^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$/

/** Null if one of the names has characters that are not allowed in it. */
export const memberUri = ({ cluster, member }: MemberUri): string | null =>
  part.test(cluster) && part.test(member) ? `${memberUriScheme}//${cluster}/${member}` : null

/** Null if it is not one. */
export function parseMemberUri(uri: string): MemberUri | null {
  if (!uri.startsWith(`${memberUriScheme}//`)) return null
  const [cluster, member, ...rest] = uri.slice(`${memberUriScheme}//`.length).split('/')
  if (cluster === undefined || member === undefined || rest.length > 0) return null
  return part.test(cluster) && part.test(member) ? { cluster, member } : null
}
