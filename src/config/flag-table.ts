import { reportedVersionDefault } from './reported-version.ts'

/** How a flag's text is read. `list` is comma-separated; `duration` is Go's form, such as 1m30s. */
export type FlagType = 'string' | 'path' | 'bool' | 'uint' | 'int' | 'duration' | 'urls' | 'list'

export interface Flag {
  readonly name: string
  readonly type: FlagType
  /** As it would be written on the command line. */
  readonly default: string
  readonly help: string
  /**
   * `known`: etcd has it and this program has not, so that any value but the default is refused by name. `fixed`: etcd
   * has it, it does not apply here, and the named values describe what this program does anyway.
   */
  readonly status: 'built' | 'known' | { readonly fixed: readonly string[] }
  /** Where etcd's default is another. */
  readonly etcdDefault?: string
}

export interface FlagGroup {
  readonly title: string
  readonly flags: readonly Flag[]
}

const built = (name: string, type: FlagType, defaultText: string, help: string): Flag => ({
  name,
  type,
  default: defaultText,
  help,
  status: 'built',
})

const known = (name: string, type: FlagType, defaultText: string): Flag => ({
  name,
  type,
  default: defaultText,
  help: 'Not supported yet.',
  status: 'known',
})

const fixed = (name: string, type: FlagType, values: readonly string[], help: string): Flag => ({
  name,
  type,
  default: values[0] ?? '',
  help,
  status: { fixed: values },
})

/**
 * Every flag of etcd 3.4, by its name, newer ones of etcd that are built, and ours. A flag that is missing here is an
 * unknown flag.
 * @source etcd 3.4.23, etcdmain/config.go and embed/config.go: names, types, defaults.
 */
export const flagGroups: readonly FlagGroup[] = [
  {
    title: 'Member',
    flags: [
      built('name', 'string', 'default', 'Name of this member, unique in its cluster.'),
      built(
        'data-dir',
        'path',
        '<name>.etcd',
        'Folder of this member; created with mode 0700, refused if others may read it.',
      ),
      built('wal-dir', 'path', '', 'Separate folder for the write-ahead log; empty puts it into the data folder.'),
      built('listen-peer-urls', 'urls', 'http://localhost:2380', 'Where to accept other members.'),
      built('listen-client-urls', 'urls', 'http://localhost:2379', 'Where to accept clients.'),
      built('heartbeat-interval', 'uint', '100', 'Milliseconds between heartbeats of the leader.'),
      built(
        'election-timeout',
        'uint',
        '1000',
        'Milliseconds without a leader before an election; at least 5 heartbeats.',
      ),
      built('snapshot-count', 'uint', '100000', 'Applied entries after which the log before them may be dropped.'),
      built('compaction-batch-limit', 'int', '1000', 'Changes looked at in one step of a compaction.'),
      built('compaction-sleep-interval', 'duration', '10ms', 'Pause between two steps of a compaction.'),
      built('experimental-compaction-batch-limit', 'int', '1000', 'Older name of --compaction-batch-limit.'),
      built('experimental-compaction-sleep-interval', 'duration', '10ms', 'Older name of --compaction-sleep-interval.'),
      built('max-txn-ops', 'uint', '128', 'Operations in one transaction.'),
      built('max-request-bytes', 'uint', '1572864', 'Bytes of one request.'),
      built('max-concurrent-streams', 'uint', '4294967295', 'Calls that one client connection may have open.'),
      built('grpc-keepalive-min-time', 'duration', '5s', 'A client that pings more often is disconnected.'),
      built('grpc-keepalive-interval', 'duration', '2h', 'How often to ping a silent client; 0 never.'),
      built('grpc-keepalive-timeout', 'duration', '20s', 'How long a client may take to answer a ping.'),
      known('initial-election-tick-advance', 'bool', 'true'),
      known('max-snapshots', 'uint', '5'),
      known('max-wals', 'uint', '5'),
      known('quota-backend-bytes', 'int', '0'),
      known('backend-batch-interval', 'duration', '0s'),
      known('backend-batch-limit', 'int', '0'),
    ],
  },
  {
    title: 'Cluster',
    flags: [
      built('initial-advertise-peer-urls', 'urls', 'http://localhost:2380', 'Where other members reach this one.'),
      built(
        'initial-cluster',
        'string',
        '',
        'All members of a new cluster: name=peerURL,name=peerURL. Empty is this one alone.',
      ),
      built('initial-cluster-state', 'string', 'new', "'new', or 'existing' to join one."),
      built('initial-cluster-token', 'string', 'etcd-cluster', 'Keeps clusters apart that use the same addresses.'),
      built('advertise-client-urls', 'urls', 'http://localhost:2379', 'Where clients reach this member.'),
      { ...built('pre-vote', 'bool', 'true', 'Ask before an election whether it could be won.'), etcdDefault: 'false' },
      known('strict-reconfig-check', 'bool', 'true'),
      known('force-new-cluster', 'bool', 'false'),
      known('discovery', 'string', ''),
      known('discovery-fallback', 'string', 'proxy'),
      known('discovery-proxy', 'string', ''),
      known('discovery-srv', 'string', ''),
      known('discovery-srv-name', 'string', ''),
      known('auto-compaction-retention', 'string', '0'),
      known('auto-compaction-mode', 'string', 'periodic'),
    ],
  },
  {
    title: 'Security',
    flags: [
      built('cert-file', 'path', '', 'Certificate (PEM) for clients; needed by https listen URLs.'),
      built('key-file', 'path', '', 'Its private key; refused if others may read it.'),
      built('trusted-ca-file', 'path', '', 'Clients must present a certificate of this authority.'),
      built('client-cert-auth', 'bool', 'false', 'Insist on client certificates; needs --trusted-ca-file.'),
      built(
        'client-cert-identity',
        'string',
        'common-name',
        'The name in their certificates that says which users clients are: common-name or uri.',
      ),
      built('client-crl-file', 'path', '', 'Revocation lists of that authority; a revoked client is shut out at once.'),
      built('client-cert-allowed-hostname', 'string', '', 'Clients must have a certificate for this host name.'),
      built('peer-cert-file', 'path', '', 'Certificate (PEM) for members, used as server and as client.'),
      built('peer-key-file', 'path', '', 'Its private key.'),
      built('peer-trusted-ca-file', 'path', '', 'Members must present a certificate of this authority.'),
      built('peer-client-cert-auth', 'bool', 'false', "Insist on members' certificates; needs --peer-trusted-ca-file."),
      built('peer-crl-file', 'path', '', 'Revocation lists of that authority, for both ends of a connection.'),
      built('peer-cert-allowed-cn', 'list', '', "Members' certificates must have this common name (or one of these)."),
      built('peer-cert-allowed-hostname', 'string', '', "Members' certificates must be for this host name."),
      built(
        'crl-grace',
        'duration',
        '24h',
        'How long a revocation list that is overdue is still good; then nobody gets in.',
      ),
      built('cipher-suites', 'list', '', 'Suites for TLS 1.2 by their Go names; weak ones are refused.'),
      built('tls-min-version', 'string', 'TLS1.2', 'TLS1.2 or TLS1.3.'),
      built('tls-max-version', 'string', '', 'TLS1.2 or TLS1.3; empty: the newest.'),
      built('insecure', 'bool', 'false', 'Allow plaintext listeners beyond the loopback interface.'),
      built(
        'auto-tls',
        'bool',
        'false',
        'Encrypt with a certificate of its own making; clients are not authenticated.',
      ),
      built('peer-auto-tls', 'bool', 'false', 'The same among members: any certificate is taken.'),
      built('self-signed-cert-validity', 'uint', '1', 'Years for which such certificates are made.'),
      built(
        'pki-dir',
        'list',
        '',
        'Folders of authorities (leasehold pki) from which the member renews its own certificates, a third before their end.',
      ),
      built('pki-passphrase-file', 'path', '', 'Opens the keys of those authorities.'),
      built(
        'experimental-peer-skip-client-san-verification',
        'bool',
        'false',
        "Take a member's certificate from any address, not only from those that it names.",
      ),
      known('cors', 'list', '*'),
      known('host-whitelist', 'list', '*'),
      built(
        'auth-token',
        'string',
        'simple',
        'Tokens that users log in for: simple, or jwt,pub-key=FILE,priv-key=FILE,sign-method=RS256,ttl=5m.',
      ),
      built('bcrypt-cost', 'uint', '10', 'Cost of hashing passwords, from 4 to 31; one more takes twice as long.'),
      built('auth-password-min-length', 'uint', '1', 'Characters that a new password must have, up to 72.'),
      built('auth-token-ttl', 'uint', '300', 'Seconds that a simple token lives after it was last used.'),
      built(
        'token-signing-key-file',
        'path',
        '',
        'Private key (PEM or JWK) of the signed tokens that this member issues; refused if others may read it.',
      ),
      built(
        'token-keys-file',
        'path',
        '',
        'Public keys (a JWK set) that signed tokens are verified with; empty: the signing key alone.',
      ),
      built('token-issuer', 'string', 'leasehold', 'Issuer that signed tokens must name.'),
      built('token-audience', 'string', '', "Audience that they must name; empty: the cluster's id in hex."),
      built('token-max-lifetime', 'duration', '15m', 'No signed token lives longer, whoever issued it; up to 24h.'),
      built('oidc-issuer', 'string', '', 'Issuer elsewhere, whose tokens are taken, too: by their groups.'),
      built('oidc-audience', 'string', '', 'Audience that its tokens must name.'),
      built('oidc-jwks-file', 'path', '', 'Its public keys (a JWK set); read again when the file changes.'),
      built('oidc-jwks-url', 'string', '', 'Where it publishes them instead; https, or http on this machine.'),
      built('oidc-ca-file', 'path', '', "Authorities for the server of that URL; empty: the program's own."),
      built('oidc-name-claim', 'string', 'sub', 'Claim with the name of who calls.'),
      built('oidc-groups-claim', 'string', 'groups', 'Claim with the groups of who calls.'),
      built('oidc-groups-prefix', 'string', 'oidc:', 'Put before each of them to make the name of a group here.'),
    ],
  },
  {
    title: 'Audit',
    flags: [
      built(
        'audit',
        'string',
        'off',
        'Write down who did what: off, best-effort, or required: then a change that cannot be recorded is not made.',
      ),
      built('audit-dir', 'path', '', 'Folder of the audit trail; empty: audit in the data folder.'),
      built('audit-policy', 'path', '', 'Rules, as YAML, for how much is written down of what; empty: all of it.'),
      built(
        'audit-key-file',
        'path',
        '',
        'Ed25519 key (PEM) that signs the trail; made if missing. Empty: audit-key.pem in the data folder.',
      ),
      built('audit-file-max-bytes', 'uint', '67108864', 'Size at which a file of the trail ends.'),
      built('audit-file-max-age', 'duration', '24h', 'Age at which a file of the trail ends.'),
      built('audit-files-max', 'uint', '0', 'Files of the trail that are kept; 0: all.'),
    ],
  },
  {
    title: 'Serving',
    flags: [
      built(
        'serve-threads',
        'uint',
        '',
        'Threads that serve clients; 0 serves in the main thread. Default: 1 to 3, by the cores and the members here.',
      ),
      built(
        'reported-version',
        'string',
        reportedVersionDefault,
        'etcd version that Status reports, 3.4 to 3.6; clients choose features by it.',
      ),
      built(
        'experimental-watch-progress-notify-interval',
        'duration',
        '10m',
        'How often to tell an idle watcher the revision.',
      ),
      built(
        'experimental-enable-lease-checkpoint',
        'bool',
        'false',
        'Keep the remaining time of leases of more than 5 minutes over changes of the leader and restarts.',
      ),
      built(
        'experimental-enable-lease-checkpoint-persist',
        'bool',
        'false',
        'No effect: what --experimental-enable-lease-checkpoint keeps is always on disk.',
      ),
      built('enable-grpc-reflection', 'bool', 'false', 'Tell clients which services, methods and types there are.'),
      built(
        'stop-on-stdin-close',
        'bool',
        'false',
        'Stop when standard input is closed: for a parent that may be killed.',
      ),
      { ...known('enable-grpc-gateway', 'bool', 'false'), etcdDefault: 'true' },
      known('enable-v2', 'bool', 'false'),
      known('experimental-enable-v2v3', 'string', ''),
      built(
        'listen-metrics-urls',
        'urls',
        '',
        'More addresses for /metrics, /health, /livez, /readyz and /version, which the client URLs have, too.',
      ),
      built('metrics', 'string', 'basic', "'basic', or 'extensive' to count also how long calls take."),
      known('enable-pprof', 'bool', 'false'),
    ],
  },
  {
    title: 'Logging',
    flags: [
      built('log-level', 'string', 'info', 'debug, info, warn, error, panic or fatal.'),
      built('debug', 'bool', 'false', 'Same as --log-level=debug.'),
      fixed('logger', 'string', ['zap', 'capnslog'], 'The log is JSON lines with the field names of zap.'),
      fixed('log-outputs', 'list', ['default', 'stderr'], 'The log goes to standard error.'),
      fixed('log-output', 'list', ['default', 'stderr'], 'Older name of --log-outputs.'),
      known('log-package-levels', 'string', ''),
    ],
  },
  {
    title: 'Other flags of etcd',
    flags: [
      known('experimental-initial-corrupt-check', 'bool', 'false'),
      known('experimental-corrupt-check-time', 'duration', '0s'),
      known('experimental-warning-apply-duration', 'duration', '100ms'),
      known('experimental-backend-bbolt-freelist-type', 'string', 'array'),
      known('unsafe-no-fsync', 'bool', 'false'),
      known('proxy', 'string', 'off'),
      known('proxy-failure-wait', 'uint', '5000'),
      known('proxy-refresh-interval', 'uint', '30000'),
      known('proxy-dial-timeout', 'uint', '1000'),
      known('proxy-write-timeout', 'uint', '5000'),
      known('proxy-read-timeout', 'uint', '0'),
    ],
  },
  {
    title: 'Help',
    flags: [
      built(
        'config-file',
        'path',
        '',
        'YAML file with these names as keys; then all other flags and variables are ignored.',
      ),
      built('version', 'bool', 'false', 'Print the version and exit.'),
      built('help', 'bool', 'false', 'Print this and exit.'),
    ],
  },
]

export const flagsByName: ReadonlyMap<string, Flag> = new Map(
  flagGroups.flatMap((group) => group.flags.map((flag) => [flag.name, flag] as const)),
)

/** Settings of one run of the program, not of the member: meaningless in a file or in the environment. */
export const commandLineOnly: ReadonlySet<string> = new Set(['version', 'help'])
