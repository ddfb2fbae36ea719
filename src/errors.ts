/** gRPC status codes, by their names in the gRPC specification. */
export const Code = {
  Ok: 0,
  Canceled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const
export type Code = (typeof Code)[keyof typeof Code]

const codeNames: ReadonlyMap<Code, string> = new Map(Object.entries(Code).map(([name, code]) => [code, name]))
/** As gRPC for Go writes it. */
export const codeNameOf = (code: Code): string => (code === Code.Ok ? 'OK' : codeNames.get(code)!)

/** Code and message are the wire contract with etcd's clients, who match on the text: no interpolation, no rewording. */
export const etcdErrors = {
  emptyKey: { code: Code.InvalidArgument, message: 'etcdserver: key is not provided' },
  keyNotFound: { code: Code.InvalidArgument, message: 'etcdserver: key not found' },
  valueProvided: { code: Code.InvalidArgument, message: 'etcdserver: value is provided' },
  leaseProvided: { code: Code.InvalidArgument, message: 'etcdserver: lease is provided' },
  tooManyOps: { code: Code.InvalidArgument, message: 'etcdserver: too many operations in txn request' },
  duplicateKey: { code: Code.InvalidArgument, message: 'etcdserver: duplicate key given in txn request' },
  invalidSortOption: { code: Code.InvalidArgument, message: 'etcdserver: invalid sort option' },
  compacted: { code: Code.OutOfRange, message: 'etcdserver: mvcc: required revision has been compacted' },
  futureRevision: { code: Code.OutOfRange, message: 'etcdserver: mvcc: required revision is a future revision' },
  noSpace: { code: Code.ResourceExhausted, message: 'etcdserver: mvcc: database space exceeded' },
  leaseNotFound: { code: Code.NotFound, message: 'etcdserver: requested lease not found' },
  leaseExists: { code: Code.FailedPrecondition, message: 'etcdserver: lease already exists' },
  leaseTtlTooLarge: { code: Code.OutOfRange, message: 'etcdserver: too large lease TTL' },
  memberNotFound: { code: Code.NotFound, message: 'etcdserver: member not found' },
  requestTooLarge: { code: Code.InvalidArgument, message: 'etcdserver: request is too large' },
  // etcd 3.4 puts code Unknown on the wire here, by accident; clients match the text.
  tooManyRequests: { code: Code.ResourceExhausted, message: 'etcdserver: too many requests' },
  stopped: { code: Code.Unavailable, message: 'etcdserver: server stopped' },
  timeout: { code: Code.Unavailable, message: 'etcdserver: request timed out' },
  timeoutLeaderFailure: {
    code: Code.Unavailable,
    message: 'etcdserver: request timed out, possibly due to previous leader failure',
  },
  timeoutConnectionLost: {
    code: Code.Unavailable,
    message: 'etcdserver: request timed out, possibly due to connection lost',
  },
  timeoutWaitApplied: {
    code: Code.Unavailable,
    message: 'etcdserver: request timed out, waiting for the applied index took too long',
  },
  noLeader: { code: Code.Unavailable, message: 'etcdserver: no leader' },
  leaderChanged: { code: Code.Unavailable, message: 'etcdserver: leader changed' },
  notLeader: { code: Code.FailedPrecondition, message: 'etcdserver: not leader' },
  badLeaderTransferee: { code: Code.FailedPrecondition, message: 'etcdserver: bad leader transferee' },
  notCapable: { code: Code.Unavailable, message: 'etcdserver: not capable' },
  unhealthy: { code: Code.Unavailable, message: 'etcdserver: unhealthy cluster' },
  corrupt: { code: Code.DataLoss, message: 'etcdserver: corrupt cluster' },
  // Ours, not etcd's: a request that no client library sends (undecodable, unknown enum value, nested too deeply).
  invalidRequest: { code: Code.InvalidArgument, message: 'etcdserver: invalid request' },
  // Ours: the write is done; etcd leaves the refusal of an answer that is too large for gRPC to grpc-go.
  responseTooLarge: { code: Code.ResourceExhausted, message: 'etcdserver: response is too large' },
  memberExists: { code: Code.FailedPrecondition, message: 'etcdserver: member ID already exist' },
  peerUrlExists: { code: Code.FailedPrecondition, message: 'etcdserver: Peer URLs already exists' },
  memberNotLearner: {
    code: Code.FailedPrecondition,
    message: 'etcdserver: can only promote a learner member',
  },
  tooManyLearners: { code: Code.FailedPrecondition, message: 'etcdserver: too many learner members in cluster' },
  notEnoughStarted: {
    code: Code.FailedPrecondition,
    message: 'etcdserver: re-configuration failed due to not enough started members',
  },
  rootUserNotFound: { code: Code.FailedPrecondition, message: 'etcdserver: root user does not exist' },
  rootRoleNotGranted: { code: Code.FailedPrecondition, message: 'etcdserver: root user does not have root role' },
  userExists: { code: Code.FailedPrecondition, message: 'etcdserver: user name already exists' },
  userEmpty: { code: Code.InvalidArgument, message: 'etcdserver: user name is empty' },
  userNotFound: { code: Code.FailedPrecondition, message: 'etcdserver: user name not found' },
  roleExists: { code: Code.FailedPrecondition, message: 'etcdserver: role name already exists' },
  roleNotFound: { code: Code.FailedPrecondition, message: 'etcdserver: role name not found' },
  roleEmpty: { code: Code.InvalidArgument, message: 'etcdserver: role name is empty' },
  authFailed: {
    code: Code.InvalidArgument,
    message: 'etcdserver: authentication failed, invalid user ID or password',
  },
  permissionNotGiven: { code: Code.InvalidArgument, message: 'etcdserver: permission not given' },
  permissionDenied: { code: Code.PermissionDenied, message: 'etcdserver: permission denied' },
  roleNotGranted: { code: Code.FailedPrecondition, message: 'etcdserver: role is not granted to the user' },
  permissionNotGranted: {
    code: Code.FailedPrecondition,
    message: 'etcdserver: permission is not granted to the role',
  },
  authNotEnabled: { code: Code.FailedPrecondition, message: 'etcdserver: authentication is not enabled' },
  invalidAuthToken: { code: Code.Unauthenticated, message: 'etcdserver: invalid auth token' },
  invalidAuthManagement: { code: Code.InvalidArgument, message: 'etcdserver: invalid auth management' },
  authOldRevision: { code: Code.InvalidArgument, message: 'etcdserver: revision of auth store is old' },
  unknownMethod: { code: Code.Unknown, message: 'etcdserver: unknown method' },
  wrongDowngradeVersionFormat: {
    code: Code.InvalidArgument,
    message: 'etcdserver: wrong downgrade target version format',
  },
  invalidDowngradeTarget: { code: Code.InvalidArgument, message: 'etcdserver: invalid downgrade target version' },
  noInflightDowngrade: { code: Code.FailedPrecondition, message: 'etcdserver: no inflight downgrade job' },
  // Of the lock and election services, which etcd has its own client library answer: in that library's words, without a code.
  sessionExpired: { code: Code.Unknown, message: 'mutex: session is expired' },
  electionNoLeader: { code: Code.Unknown, message: 'election: no leader' },
  electionNotLeader: { code: Code.Unknown, message: 'election: not leader' },
  leaderKeyMissing: { code: Code.Unknown, message: '"leader" field must be provided' },
  notSupportedForLearner: { code: Code.Unavailable, message: 'etcdserver: rpc not supported for learner' },
} as const satisfies Record<string, { readonly code: Code; readonly message: string }>

export type EtcdErrorReason = keyof typeof etcdErrors

/** A refusal in etcd's words. Detail goes into `cause`: it is logged, never sent. */
export class EtcdError extends Error {
  override readonly name = 'EtcdError'
  readonly reason: EtcdErrorReason
  constructor(reason: EtcdErrorReason, options?: { cause?: unknown }) {
    super(etcdErrors[reason].message, options)
    this.reason = reason
  }
  get code(): Code {
    return etcdErrors[this.reason].code
  }
}
