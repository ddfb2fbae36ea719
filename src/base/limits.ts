/** Every bound on a queue, frame, range or batch that is not a flag. Flags' defaults live in config/. */
export const limits = {
  /** gRPC frames may exceed `--max-request-bytes` by this much before the transport refuses them. */
  grpcOverheadBytes: 512 * 1024,
  /** What all reads that begin in one turn of a serving thread's event loop may take of it; the rest begin in the next. */
  readsTurnMs: 8,
  /** And how many wait for that. */
  readsComingMax: 20_000,
  /** What one read may take at its beginning, before it goes on in later turns. */
  readBeginMs: 2,
  /** What reads that go on may take of a turn; a write of somebody else's takes three or four turns. */
  readStepMs: 0.5,
  /** Reads of one serving thread that take more than a turn: how many go on at a time, and how many wait to begin. */
  longReadsMax: 4,
  longReadsWaitingMax: 1000,
  /** Such a read pins the storage's old pages, of which fast writers leave some 30 MiB a second: it is given up then. */
  longReadAgeMsMax: 60_000,
  /** The answer to one read, with what its making takes; clients of etcd take up to 2 GiB. */
  responseBytesMax: 1024 * 1024 * 1024,
  /**
   * What ranges in transactions that write, and key-values that deletions return, may take together in one transaction of
   * the store: above it a write is done and its answer refused. Reading so much takes the core seconds.
   */
  writeAnswersBytesMax: 128 * 1024 * 1024,
  /** Memory of all long reads of a serving thread and their answers; above it only the oldest goes on. */
  longReadsHeldBytesMax: 1024 * 1024 * 1024,
  /** Committed but not applied entries above which new writes are refused with "too many requests". */
  unappliedEntriesMax: 5000,
  /** Largest TTL a lease may have. */
  leaseTtlSecondsMax: 9_000_000_000,
  /** Depth of nested transactions. */
  txnDepthMax: 64,
  /** Compares and operations in a transaction and all that are nested in it, or --max-txn-ops if that is more. */
  txnTotalOpsMax: 10_000,
  /** Bytes of entries in one append message. */
  raftMessageBytesMax: 1024 * 1024,
  /** Append messages in flight to one follower. */
  raftInflightMax: 512,
  /** Bytes of log entries that are appended here and not yet committed; above it proposals are dropped. */
  raftUncommittedBytesMax: 64 * 1024 * 1024,
  /** Entries kept in memory for followers that lag, after they are applied and flushed; before that, about as many again. */
  logKeepEntries: 5000,
  /** Bytes of applied entries kept in memory for followers that lag. */
  logKeepBytesMax: 64 * 1024 * 1024,
  /** Entries, and bytes of entries, in one apply transaction. */
  applyBatchEntriesMax: 1000,
  applyBatchBytesMax: 8 * 1024 * 1024,
  /** Frame on a peer connection. One raft message of `raftMessageBytesMax` plus its largest single entry fits. */
  peerFrameBytesMax: 64 * 1024 * 1024,
  /** Bytes waiting to be sent to one peer; above it messages are dropped (raft resends). */
  peerQueueBytesMax: 32 * 1024 * 1024,
  snapshotChunkBytes: 1024 * 1024,
  /** A snapshot being sent pins the storage's old pages: it is given up after this long. */
  snapshotAgeMsMax: 10 * 60 * 1000,
  /** A request's headers on a plaintext connection; longer ones are left as they came. Two frames of the usual size. */
  heldHeaderBytesMax: 2 * (16_384 + 9),
  /** Header fields of one request, as HTTP/2 counts them. */
  headerListBytesMax: 16 * 1024,
  /** What a client may send on one call, and on a connection, before it has been looked at. */
  streamWindowBytes: 256 * 1024,
  connectionWindowBytes: 1024 * 1024,
  /** Calls that one connection may have open, if `--max-concurrent-streams` allows more. */
  streamsPerConnectionMax: 32_768,
  /** Memory for messages of one connection that have begun to arrive; above it the latest call is refused. */
  connectionHeldBytesMax: 128 * 1024 * 1024,
  /** The same of all connections of one serving thread; above it each gets no more than its share, which one request fits. */
  threadHeldBytesMax: 512 * 1024 * 1024,
  connectionHeldBytesShare: 4 * 1024 * 1024,
  /** Answers that one client has not taken; above it its further requests wait. */
  connectionUnsentBytesMax: 64 * 1024 * 1024,
  /** The same of all connections of one serving thread; above it those wait that leave more than their share unread. */
  threadUnsentBytesMax: 256 * 1024 * 1024,
  connectionUnsentBytesShare: 1024 * 1024,
  /** What the HTTP/2 library itself may hold for one connection, in megabytes; above it new calls are refused. */
  connectionHttp2MegabytesMax: 256,
  /** Calls that a client may cancel at once, and then in each second; above it the connection is closed. */
  streamResetsAtOnceMax: 5000,
  streamResetsPerSecondMax: 500,
  /** HTTP/1.1 connections of one serving thread, or of the metrics listeners; one more closes the oldest. */
  http1ConnectionsMax: 512,
  http1RequestsPerConnectionMax: 10_000,
  /** An answer over HTTP/1.1 must have been made and taken by then, and the next request have come whole by then. */
  http1AnswerMsMax: 30_000,
  http1IdleMsMax: 60_000,
  /** A serving thread waits so long for the metrics of its process. */
  metricsMsMax: 5000,
  /** A client that was told to go elsewhere, and has no call any more, is cut off after this. */
  clientPartingMsMax: 500,
  /** A TLS handshake that takes longer is closed. */
  handshakeMsMax: 10_000,
  /** Connections of one address that have not ended their handshake; one more closes the oldest. */
  handshakesPerAddressMax: 512,
  /** The same of all addresses together, at one listener of one thread. */
  handshakesMax: 4096,
  /** A file of certificates, keys, requests or revocation lists that `leasehold pki` reads; a million revocations fit. */
  pkiFileBytesMax: 64 * 1024 * 1024,
  /** A configuration file. */
  configFileBytesMax: 1024 * 1024,
  /** A certificate, key or the like that a command reads, and bundles of them. */
  smallFileBytesMax: 4 * 1024 * 1024,
  /** Alternative names in one certificate that is issued here. */
  alternativeNamesMax: 100,
  /** In one that somebody presents here. */
  presentedNamesMax: 1000,
  /** History scanned for lagging watchers in one turn; all that one watch wants of it is one response. */
  watchCatchUpRevisionsMax: 1000,
  watchCatchUpBytesMax: 16 * 1024 * 1024,
  /** The same while more than this many watch streams hold such a response that their clients do not take. */
  watchBlockedStreamsMax: 16,
  watchCatchUpBytesMaxBlocked: 1024 * 1024,
  /** Live events of several revisions go out together up to this size: some clients refuse messages above 4 MiB. */
  watchLiveResponseBytesMax: 1024 * 1024,
  /** What a watch is counted with in memory, beside the bytes of its range. */
  watchOverheadBytes: 1024,
  /** Memory of the watches of one stream, and of one serving thread. */
  watchStreamWatchesBytesMax: 64 * 1024 * 1024,
  watchThreadWatchesBytesMax: 512 * 1024 * 1024,
  /** What a queued response is counted with, beside its bytes: most are small. */
  watchQueuedOverheadBytes: 128,
  /** Bytes queued for one watch stream before its watchers fall back to reading history. */
  watchStreamQueueBytesMax: 2 * 1024 * 1024,
  /** Bytes queued for all watch streams of a serving thread before the watchers of those that block fall back to it. */
  watchThreadQueueBytesMax: 128 * 1024 * 1024,
  /** Compaction: changes looked at in one step, and the pause after it, unless a flag says otherwise. */
  compactionBatchRevisions: 1000,
  compactionPauseMs: 10,
  /** Calls that wait for a lock or to be elected, on one serving thread. */
  turnWaitersMax: 10_000,
  /** Leases of one keep-alive stream that are judged again when the rules change: those that were renewed last. */
  renewedLeasesJudgedMax: 1000,
  /** Keys of one queue for locks or elections that are remembered while anyone waits in it. */
  turnKeysMax: 20_000,
  /** Leases revoked per second when many expire together. */
  leaseRevokesPerSecond: 1000,
  /** Revocations of expired leases proposed and not yet applied. */
  leaseRevokesInFlightMax: 64,
  /** Leases that a new leader takes over in one turn. */
  leaseLoadBatchMax: 2000,
  /** Clients' questions that wait for the leader's answer, or for a leader, at one member. */
  leaderQuestionsMax: 200_000,
  /** How far the log may be wrong about a lease's remaining time, where checkpoints are on. */
  leaseCheckpointMs: 5 * 60 * 1000,
  /** Leases in one checkpoint; there is at most one checkpoint a tick. */
  leaseCheckpointBatchMax: 250,
  /** Bytes of the name of a user or role. */
  authNameBytesMax: 1024,
  /** A policy file that `leasehold policy` reads, and the entries of one list in it. */
  policyFileBytesMax: 1024 * 1024,
  policyListMax: 10_000,
  /** Permissions of all roles of a policy together, with those that they extend; and of all users and groups, by their roles. */
  policyGrantsMax: 100_000,
  policyHeldGrantsMax: 1_000_000,
  /** Of a token's scope. */
  scopeEntriesMax: 64,
  /** Of an outside issuer's user, that mean something here. */
  callerGroupsMax: 64,
  /** Rows of expired tokens that one change of tokens removes. */
  authTokensSweptMax: 100,
  /** Tokens that one serving thread has looked up and remembers. */
  authTokensRememberedMax: 10_000,
  /** Bytes of a token; a longer one is not looked at. */
  authTokenBytesMax: 8 * 1024,
  /** Bytes of the id of a signed token, with that of its issuer; and how many tokens one may come from, each from the last. */
  tokenIdBytesMax: 256,
  tokenAncestorsMax: 8,
  /** By how much clocks may differ about when a token begins. */
  tokenClockSkewMs: 5000,
  /** No token of an outside issuer is taken for longer, and groups that it may name. */
  outsideTokenLifetimeMsMax: 24 * 60 * 60 * 1000,
  outsideGroupsMax: 1000,
  /** Memory of those of them that are signed ones with a scope. */
  signedTokensRememberedBytesMax: 32 * 1024 * 1024,
  /** Tokens whose signatures one serving thread has yet to check, and how many it checks at a time. */
  tokensVerifyingMax: 1000,
  /** Those of one address and certificate: others have room beside them. */
  tokensVerifyingPerSourceMax: 250,
  tokenSignaturesAtOnceMax: 2,
  /** Keys that verify tokens, in one set, and its bytes. */
  tokenKeysMax: 100,
  tokenKeysBytesMax: 256 * 1024,
  /** How often files of such keys are looked at. */
  tokenKeyFilesLookedAtMs: 500,
  /** How often an outside issuer is asked for its keys; and how often at most, if tokens name others. */
  keySetRefreshMs: 5 * 60 * 1000,
  keySetRefreshMsMin: 30_000,
  keySetFetchMsMax: 10_000,
  /** Tokens that wait for that at a serving thread; fewer than may wait of one source, so that others of it have room beside them. */
  keySetWaitingMax: 200,
  /** bcrypt looks at no more bytes of a password: a longer one is refused. */
  passwordBytesMax: 72,
  /** Passwords that wait to be hashed or checked at one member, and those of one address and certificate. */
  passwordsWaitingMax: 4096,
  passwordsWaitingPerAddressMax: 1024,
  /** Users, and addresses, whose failed logins one member remembers. A multiple of 8. */
  loginFailuresRememberedMax: 16_384,
  /** Rules that say what is audited; and of one record, bytes of a key and ranges that are written out. */
  auditRulesMax: 1000,
  auditPolicyBytesMax: 1024 * 1024,
  auditPolicyLookedAtMs: 1000,
  auditKeyBytesMax: 512,
  auditRangesMax: 100,
  /** Refused connections that one serving thread writes down in ten seconds: anyone who reaches the port can cause them. */
  auditRefusalsMax: 100,
  /** After so long, or with so much, a serving thread hands its audit records in. */
  auditBatchMs: 50,
  auditBatchBytes: 256 * 1024,
  /** Audit records of one serving thread that wait for the disk; above it they are lost, and what needs them is refused. */
  auditQueueBytesMax: 16 * 1024 * 1024,
  /** How long a change waits for its record to be kept. */
  auditWaitMsMax: 5000,
  /** Of the audit trail, in one write; and how often what was written is signed. */
  auditWriteBytesMax: 4 * 1024 * 1024,
  auditCheckpointMs: 2000,
} as const
