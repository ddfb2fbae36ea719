import { basename } from 'node:path'
import { type RefusalKind, refusalKinds, type TlsCounts, type TlsStatus } from '../security/tls-status.ts'
import type { Family, Labels, Sample } from './family.ts'

const msPerDay = 24 * 60 * 60 * 1000

export interface TlsSources {
  status(): TlsStatus
  /** Of all listeners, and of the dialers between members, by port. */
  readonly counts: readonly { readonly port: 'client' | 'peer' | 'metrics'; readonly counts: TlsCounts }[]
  /** Since the epoch. */
  nowMs(): number
}

/** Certificates, revocation lists and handshakes. Paths stay here: files are called by their last name. */
export function tlsFamilies({ status, counts, nowMs }: TlsSources): Family[] {
  const named = (type: Family['type'], name: string, help: string, samples: () => Iterable<Sample>): Family => ({
    name: `leasehold_tls_${name}`,
    help,
    type,
    samples,
  })
  const certificates = (read: (notAfterMs: number) => number) => (): Sample[] =>
    unique(
      status().certificates.map(({ port, role, file, subject, serial, notAfterMs }) => ({
        labels: { port, role, file: basename(file), subject, serial },
        value: read(notAfterMs),
      })),
    )
  const lists = (read: (list: TlsStatus['lists'][number]) => number | null) => (): Sample[] =>
    unique(
      status().lists.flatMap((list) => {
        const value = read(list)
        const { port, file, issuer } = list
        return value === null ? [] : [{ labels: { port, file: basename(file), issuer }, value }]
      }),
    )
  const results = (read: (now: TlsStatus) => TlsStatus['reloads']) => (): Sample[] => {
    const { succeeded, failed } = read(status())
    return [
      { labels: { result: 'succeeded' }, value: succeeded },
      { labels: { result: 'failed' }, value: failed },
    ]
  }
  const byReason = (read: (counts: TlsCounts) => Record<RefusalKind, number>) => (): Sample[] =>
    counts.flatMap(({ port, counts: each }) =>
      refusalKinds.map((reason) => ({ labels: { port, reason }, value: read(each)[reason] })),
    )
  return [
    named(
      'gauge',
      'certificate_expiry_timestamp_seconds',
      'When the certificate in use runs out.',
      certificates((notAfterMs) => notAfterMs / 1000),
    ),
    named(
      'gauge',
      'certificate_days_left',
      'Days until the certificate in use runs out; below 0 it has.',
      certificates((notAfterMs) => (notAfterMs - nowMs()) / msPerDay),
    ),
    named(
      'gauge',
      'revocation_list_age_seconds',
      'Since the revocation list in use was made.',
      lists(({ thisUpdateMs }) => (nowMs() - thisUpdateMs) / 1000),
    ),
    named(
      'gauge',
      'revocation_list_next_update_timestamp_seconds',
      'When the next revocation list should be there.',
      lists(({ nextUpdateMs }) => (nextUpdateMs === null ? null : nextUpdateMs / 1000)),
    ),
    named(
      'gauge',
      'revocation_list_refuses_from_timestamp_seconds',
      'From when on no certificate of its issuer is taken any more for want of a newer list.',
      lists(({ refusesFromMs }) => (refusesFromMs === null ? null : refusesFromMs / 1000)),
    ),
    named(
      'counter',
      'reloads_total',
      'Times that the TLS files were read again.',
      results(({ reloads }) => reloads),
    ),
    named(
      'counter',
      'renewals_total',
      'Renewals of its own certificates.',
      results(({ renewals }) => renewals),
    ),
    named('gauge', 'reload_problem', 'Whether the files on disk cannot be used and older ones are.', () => [
      { value: Number(status().reloadProblem !== null) },
    ]),
    named('counter', 'accepted_total', 'Connections let in.', () => ofAll(counts, ({ accepted }) => accepted)),
    named(
      'counter',
      'refused_total',
      'Connections refused in their handshake.',
      byReason(({ refused }) => refused),
    ),
    named(
      'counter',
      'closed_total',
      'Connections closed later for their certificate.',
      byReason(({ closed }) => closed),
    ),
  ]
}

const ofAll = (counts: TlsSources['counts'], read: (counts: TlsCounts) => number): Sample[] =>
  counts.map(({ port, counts: each }) => ({ labels: { port }, value: read(each) }))

/** The same file may hold a certificate twice; a scrape with the same labels twice would be refused as a whole. */
function unique(samples: readonly { readonly labels: Labels; readonly value: number }[]): Sample[] {
  return [...new Map(samples.map((sample) => [JSON.stringify(sample.labels), sample])).values()]
}

/** Counts of several listeners of one port, as one. */
export function sumOfTlsCounts(all: readonly TlsCounts[]): TlsCounts {
  const sum = (read: (counts: TlsCounts) => number): number => all.reduce((total, each) => total + read(each), 0)
  const byKind = (read: (counts: TlsCounts) => Record<RefusalKind, number>): Record<RefusalKind, number> =>
    Object.fromEntries(refusalKinds.map((kind) => [kind, sum((counts) => read(counts)[kind])])) as Record<
      RefusalKind,
      number
    >
  return {
    get accepted() {
      return sum(({ accepted }) => accepted)
    },
    get refused() {
      return byKind(({ refused }) => refused)
    },
    get closed() {
      return byKind(({ closed }) => closed)
    },
  }
}
