/**
 * Every advisory on etcd, and every hole or hardening without a number, that is known, with the tests that would find the like
 * here. A test is named by the text of its title, or of its row where titles are made from a table.
 */

export interface Advisory {
  readonly id: string
  /** The mistake, not what became of it. */
  readonly mistake: string
  readonly tests: readonly (readonly [file: string, ...titles: string[]])[]
}

const advisories = 'test/e2e/advisories.test.ts'
const everyMethod = 'test/unit/grpc/access.test.ts'
const matrix = 'test/e2e/tls-matrix.test.ts'

export const knownAdvisories: readonly Advisory[] = [
  {
    id: 'CVE-2018-1098',
    mistake: 'a page of another site could write',
    tests: [[advisories, 'CVE-2018-1098: no page of another site', 'CVE-2018-1098: a cookie']],
  },
  {
    id: 'CVE-2018-1099',
    mistake: 'a name that a browser was told answered as if it were the server’s own',
    tests: [[advisories, 'CVE-2018-1099']],
  },
  {
    id: 'CVE-2018-16886',
    mistake: 'a proxy lent its own certificate’s name to whoever called',
    tests: [[advisories, 'CVE-2018-16886', 'unreported: no header makes an identity']],
  },
  {
    id: 'CVE-2020-15106, CVE-2020-15112, GO-2020-0005',
    mistake: 'lengths and indexes in the log were believed',
    tests: [
      [
        'test/unit/storage/wal.test.ts',
        'no change of one byte anywhere is taken for good entries',
        'damage is refused: ',
      ],
      [
        'test/unit/peer/message-codec.test.ts',
        'any bytes are a message or a PeerProtocolError',
        'a gap between entries',
      ],
      ['test/unit/peer/frame.test.ts', 'refused at once: '],
    ],
  },
  {
    id: 'CVE-2020-15113',
    mistake: 'folders that were there kept their modes',
    tests: [
      ['test/unit/config/data-folder.test.ts', 'is refused and left as it is'],
      ['test/unit/security/tls-files.test.ts', 'a key of another user is refused'],
      ['test/unit/storage/wal.test.ts', 'log files are for their owner only'],
    ],
  },
  {
    id: 'CVE-2020-15114',
    mistake: 'a proxy was its own endpoint',
    tests: [[advisories, 'CVE-2020-15114, TOB-005']],
  },
  {
    id: 'CVE-2020-15115',
    mistake: 'any password would do, and any number of tries',
    tests: [
      [advisories, 'CVE-2020-15115'],
      [
        'test/unit/service/login.test.ts',
        'passwords of no byte, and of more than bcrypt looks at, are refused',
        'a password that is shorter than the rule is refused',
      ],
      ['test/unit/service/login-guard.test.ts', 'after some failures each next attempt of a user waits twice as long'],
    ],
  },
  {
    id: 'CVE-2020-15136',
    mistake: 'servers were verified only if they had been found by one way of several',
    tests: [
      [matrix, 'whom a member dials'],
      [advisories, 'TOB-014, CVE-2020-15136'],
    ],
  },
  {
    id: 'GHSA-j86v-2vjr-fg8f',
    mistake: 'a check of TLS that opened a connection and looked no further',
    tests: [['test/unit/peer/peers-tls.test.ts', 'a plaintext member and a TLS member do not meet']],
  },
  {
    id: 'GHSA-5x4g-q5rc-36jp',
    mistake: 'weak ciphers could be chosen',
    tests: [
      ['test/unit/config/build-member-config.test.ts', '--cipher-suites TLS_RSA_WITH_RC4_128_SHA'],
      [advisories, 'CVE-2016-2183, GHSA-5x4g-q5rc-36jp'],
    ],
  },
  {
    id: 'GHSA-pm3m-32r3-7mfh',
    mistake: 'a negative number in a flag',
    tests: [['test/unit/config/odd-numbers.test.ts', 'is refused by every flag']],
  },
  {
    id: 'GHSA-vjg6-93fv-qv64',
    mistake: 'failed logins of some users were logged as something else',
    tests: [
      [advisories, 'GHSA-vjg6-93fv-qv64'],
      ['test/unit/audit/call-audit.test.ts', 'each way to be known has its own word'],
    ],
  },
  {
    id: 'TOB-012, #11943',
    mistake: 'passwords were in the log on disk',
    tests: [
      [advisories, 'CVE-2021-28235, TOB-012, #20941'],
      ['test/e2e/auth.test.ts', 'no password and no token is on disk or in a log'],
      ['test/e2e/secrets.test.ts', 'passwords and tokens are in no file, no log, no answer over HTTP and no error'],
    ],
  },
  {
    id: 'TOB-005, TOB-013, TOB-014, TOB-017',
    mistake: 'a gateway that checked once; messages of nothing; a size of -1; certificates that were not verified',
    tests: [
      [advisories, 'TOB-005, v2', 'TOB-014, CVE-2020-15136'],
      [
        'test/unit/wire/kv-requests.test.ts',
        'bytes of any kind are read as the generated decoder reads them, or refused',
      ],
      ['test/unit/advisories.test.ts', 'certificates are verified wherever TLS is spoken'],
    ],
  },
  {
    id: 'CVE-2021-28235',
    mistake: 'a page for debugging showed passwords',
    tests: [[advisories, 'CVE-2021-28235, TOB-012, #20941']],
  },
  {
    id: 'CVE-2022-34038',
    mistake: 'a writer of pages failed on what it was given',
    tests: [['test/unit/storage/wal-crash.test.ts', 'what was acknowledged survives every crash']],
  },
  {
    id: 'CVE-2023-32082',
    mistake: 'the keys of a lease were shown to whoever asked after the lease',
    tests: [[everyMethod, 'with auth on']],
  },
  {
    id: 'CVE-2026-33413',
    mistake: 'methods that asked nobody who they were',
    tests: [
      [everyMethod, 'every method has a row, and every row a method', 'with auth on'],
      ['test/e2e/every-method.test.ts', 'for (const row of accessRows)'],
    ],
  },
  {
    id: 'CVE-2026-33343',
    mistake: 'transactions within transactions were not looked at',
    tests: [['test/unit/service/leaf-access.test.ts', 'alone and one to four transactions deep, on either branch']],
  },
  {
    id: 'CVE-2026-44283',
    mistake: 'a check was there twice, and one of them not whole',
    tests: [
      ['test/unit/service/leaf-access.test.ts', 'any transaction is refused exactly if one of its leaves is'],
      ['test/unit/auth/authorize.test.ts', 'a transaction is allowed exactly if each of its leaves would be'],
    ],
  },
  {
    id: 'CVE-2026-59818',
    mistake: 'one kind of listener did not look at the revocation list',
    tests: [[matrix, 'refuses: ', "'revoked'"]],
  },
  {
    id: 'CVE-2026-73499',
    mistake: 'a range was made canonical in another way where it was judged than where it was used',
    tests: [
      [advisories, 'CVE-2026-73499'],
      ['test/unit/service/canonical-ranges.test.ts', 'and nothing less may be'],
    ],
  },
  {
    id: 'CVE-2026-73500',
    mistake: 'a handshake had no end',
    tests: [['test/e2e/silent-sockets.test.ts', 'cost little, go away, and keep nobody out']],
  },
  {
    id: '#22065',
    mistake: 'what was read for one was served to another',
    tests: [[advisories, '#22065']],
  },
  {
    id: 'CVE-2026-33186',
    mistake: 'who may was judged by a text that the path only nearly was',
    tests: [[advisories, 'CVE-2026-33186']],
  },
  {
    id: 'CVE-2025-30204, CVE-2020-26160',
    mistake: 'tokens that cost much to read, or were meant for others',
    tests: [
      [advisories, 'CVE-2025-30204'],
      ['test/unit/security/jwt.test.ts', 'of a megabyte of dots'],
      ['test/unit/tokens/token-authority.test.ts', "name: 'another audience'", "name: 'our own audience'"],
    ],
  },
  {
    id: 'CVE-2023-44487',
    mistake: 'streams that were opened and reset cost their opener nothing',
    tests: [
      [advisories, 'CVE-2023-44487'],
      ['test/unit/grpc/hostile.test.ts', 'a client that resets streams in a loop is sent away, and only it'],
    ],
  },
  {
    id: '#22161, #22145',
    mistake: 'bodies and snapshots between members without a bound',
    tests: [
      ['test/unit/peer/hostile.test.ts', 'a huge length', 'a hello larger than any', 'a chunk without a snapshot'],
      ['test/unit/peer/frame.test.ts', 'one byte too long'],
    ],
  },
  {
    id: '#22163',
    mistake: 'a request whose head never ended',
    tests: [
      ['test/unit/http/connection-deadline.test.ts', 'a connection has one deadline at a time'],
      ['test/e2e/silent-sockets.test.ts', 'ten thousand silent connections'],
    ],
  },
  {
    id: '#22167, quota before auth (unreported)',
    mistake: 'a quota that was looked at before the caller, and not in nested transactions',
    tests: [
      [advisories, 'unreported: somebody unknown who writes much raises no alarm'],
      ['test/unit/advisories.test.ts', 'there is no quota'],
    ],
  },
  {
    id: '#15676',
    mistake: 'a signed token without its claims ended the member',
    tests: [['test/unit/security/jwt.test.ts', 'without a user', 'without a revision']],
  },
  {
    id: '#20941, #21993',
    mistake: 'tokens in logs',
    tests: [[advisories, 'CVE-2021-28235, TOB-012, #20941']],
  },
  {
    id: '#20332, #21737',
    mistake: 'an empty answer of the gateway; an update of a member that made it a voter',
    tests: [
      [advisories, 'TOB-005, v2'],
      ['test/unit/advisories.test.ts', 'members cannot be changed by clients'],
    ],
  },
  {
    id: '#13565',
    mistake: 'the port of members served clients',
    tests: [
      [advisories, '#13565'],
      ['test/e2e/access.test.ts', 'the peer port serves no client'],
    ],
  },
  {
    id: '#4444, #22026',
    mistake: 'a member was whom it said it was',
    tests: [
      ['test/unit/peer/hostile.test.ts', 'a message of another sender'],
      ['test/unit/peer/peers-tls.test.ts', 'to another member with the same addresses'],
    ],
  },
  {
    id: 'gateway and WebSocket (unreported)',
    mistake: 'identity by what headers were there; a stream for any page that asked',
    tests: [[advisories, 'unreported: no WebSocket is opened', 'unreported: no header makes an identity']],
  },
  {
    id: 'sort_target (unreported)',
    mistake: 'a number that was no target of sorting ended the member',
    tests: [[advisories, 'unreported: an order or a target of sorting that is none']],
  },
  {
    id: 'path traversal',
    mistake: 'names that lead out of where they belong',
    tests: [
      [advisories, 'TOB-005, v2'],
      ['test/unit/pki/authority-folder.test.ts', '../m1'],
    ],
  },
]
