export { type Credentials, createAuthority, issue, type Leaf, type LeafRequest } from './authority.ts'
export {
  type CertificateDescription,
  type Description,
  describeFile,
  type KeyDescription,
  type ListDescription,
  type RequestDescription,
} from './describe.ts'
export { type AuthorityDescription, describeAuthority } from './describe-authority.ts'
export { type Expiring, type ExpiringOptions, expiring, parsePeriod } from './expiring.ts'
export { type ExportOptions, exportCertificate, exportFormats } from './export.ts'
export { type InitOptions, initAuthority } from './init-authority.ts'
export { type AuthorityAccess, type IssuedLeaf, type IssueOptions, issueLeaf, writeLeaf } from './issue-leaf.ts'
export { readPassphraseFile } from './passphrase-file.ts'
export { PkiError } from './pki-error.ts'
export { loadProfiles, type Profile, type ProfileName, type Profiles, profileNames } from './profile.ts'
export { type PublishedList, type PublishOptions, publishRevocations } from './publish-revocations.ts'
export { type Reindexed, reindex } from './reindex.ts'
export { type Renewed, type RenewOptions, renewLeaf } from './renew.ts'
export { authorityRenewable, type Renewable, Renewer } from './renewer.ts'
export { createRequest, type NewRequestOptions, type SignRequestOptions, signRequestFile } from './request.ts'
export { type RevokeOptions, revoke, usableReasons } from './revoke.ts'
export {
  abortRotation,
  type BeginOptions,
  beginRotation,
  type FinishOptions,
  finishRotation,
  refreshTrust,
  switchRotation,
} from './rotate-authority.ts'
export { makeSelfSigned, selfSignedFiles } from './self-signed.ts'
export type { AlternativeNames } from './subject-names.ts'
