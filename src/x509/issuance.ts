import type { Certificate } from './certificate.ts'
import { sameName } from './distinguished-name.ts'
import type { KeyUsage } from './extensions.ts'
import { keyProblem } from './public-key.ts'
import type { RevocationList } from './revocation-list.ts'
import { signatureProblem } from './signature.ts'

/** Why `issuer` is not who issued `certificate`, or null if it is. Whether either is valid now is another question. */
export function issuanceProblem(certificate: Certificate, issuer: Certificate): string | null {
  if (!sameName(certificate.issuer, issuer.subject)) return 'it names another issuer'
  if (!keyIdsAgree(certificate.extensions.authorityKeyId, issuer)) return 'it names another key of its issuer'
  return mayNot(issuer, 'keyCertSign') ?? signatureProblem(certificate, issuer.publicKey)
}

/**
 * Why `list` is not a revocation list of `issuer`, or null if it is. Lists of the certificate's own issuer only: none
 * that others sign in its place.
 */
export function listProblem(list: RevocationList, issuer: Certificate): string | null {
  if (!sameName(list.issuer, issuer.subject)) return 'it is a list of another issuer'
  if (!keyIdsAgree(list.authorityKeyId, issuer)) return 'it names another key of its issuer'
  return mayNot(issuer, 'cRLSign') ?? signatureProblem(list, issuer.publicKey)
}

const keyIdsAgree = (named: Buffer | null, { extensions: { subjectKeyId } }: Certificate): boolean =>
  named === null || subjectKeyId === null || named.equals(subjectKeyId)

function mayNot({ extensions, publicKey }: Certificate, usage: KeyUsage): string | null {
  // Certificates of version 1 cannot say that they are authorities, so none of them is one.
  if (extensions.basicConstraints?.ca !== true) return 'its issuer is not an authority'
  if (extensions.keyUsage?.includes(usage) === false) return `its issuer’s certificate is not for that (${usage})`
  if (extensions.unknownCritical.length > 0)
    return `its issuer’s certificate has a critical extension that is not understood (${extensions.unknownCritical[0]})`
  const weakness = keyProblem(publicKey)
  return weakness === null ? null : `its issuer’s key: ${weakness}`
}
