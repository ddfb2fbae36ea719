/**
 * Certificates, requests and revocation lists as typed values. Reading is strict (DER, no recursion, no copies); what is
 * damaged throws `X509Error`, and "is it good?" is a question that answers null or the reason in words.
 *
 * For a listener: `readCertificates` of the trusted authorities, `readRevocationLists` of the CRL file, `listProblem` of
 * each list against each authority (null: it is that one's), then `list.revoked.get(serial)` for `parseCertificate(raw)`
 * of the other side, and `issuanceProblem` where it must be known which authority issued a certificate.
 */
export { type AlternativeName, showAlternativeName } from './alternative-name.ts'
export { readCertificates, readRevocationLists } from './bundle.ts'
export { type Certificate, fingerprintOf, parseCertificate, serialFromText } from './certificate.ts'
export { type CertificateRequest, parseCertificateRequest, requestProblem } from './certificate-request.ts'
export { contextTag, DerValue, tags } from './der-value.ts'
export {
  commonNamesOf,
  type DistinguishedName,
  type NameAttribute,
  sameName,
  showName,
} from './distinguished-name.ts'
export { type Extensions, type KeyUsage, keyUsageNames, type RawExtension } from './extensions.ts'
export { issuanceProblem, listProblem } from './issuance.ts'
export { type MemberUri, memberUri, memberUriScheme, parseMemberUri } from './member-uri.ts'
export { attributeNames, oids, usageNames } from './oids.ts'
export { type PemBlock, pem, pemBlocks } from './pem.ts'
export { keyProblem, showKey } from './public-key.ts'
export {
  parseRevocationList,
  type Revocation,
  type RevocationList,
  type RevocationReason,
  revocationReasons,
} from './revocation-list.ts'
export { type SignatureAlgorithm, type Signed, signatureProblem } from './signature.ts'
export { printable } from './text.ts'
export { X509Error } from './x509-error.ts'
