export { type Credentials, createAuthority, issue, type Leaf, type LeafRequest } from './authority.ts'
export {
  type AuthorityFiles,
  type IndexEntry,
  type InitOptions,
  type IssuedLeaf,
  type IssueOptions,
  initAuthority,
  issueLeaf,
  loadAuthority,
  writeAuthority,
  writeLeaf,
} from './authority-folder.ts'
export { PkiError } from './pki-error.ts'
export { loadProfiles, type Profile, type ProfileName, type Profiles, profileNames } from './profile.ts'
