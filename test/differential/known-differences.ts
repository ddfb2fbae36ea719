import { limits } from '../../src/base/limits.ts'
import { Code, etcdErrors } from '../../src/errors.ts'
import type { TxnRequest } from '../../src/wire/gen/rpc.ts'
import { messageText } from './canonical.ts'
import {
  depthOf,
  hasUnknownCompare,
  hasUnknownSort,
  isNestedDeleteUnseen,
  isOpenDeleteUnseen,
  rangesOf,
  txnsOf,
} from './request-shape.ts'
import type { Status } from './rpc-client.ts'
import { withoutTies } from './sorted-ties.ts'
import type { MethodName } from './step.ts'

/** What a server said: a message, or how the call failed; and its words in the comparison. */
export interface Answer {
  readonly message: unknown
  readonly error: Status | null
  readonly text: string
}

/** A unary request as it goes to leasehold, and what both said. */
export interface Exchange {
  readonly method: MethodName
  readonly message: unknown
  /** The request was made of altered bytes. */
  readonly isAltered: boolean
  readonly etcd: Answer
  readonly leasehold: Answer
}

interface Known {
  readonly name: string
  readonly reason: string
}

/** Is not put to etcd: it would crash, or do what leasehold refuses and go a way of its own from there. */
export interface OnlyHere extends Known {
  applies(method: MethodName, message: unknown): boolean
  /** What leasehold has to answer. */
  readonly answer: Status
}

interface Tolerated extends Known {
  explains(exchange: Exchange): boolean
}

const onlyHere: readonly OnlyHere[] = [
  {
    name: 'unknown sort target or order',
    reason: 'etcd 3.4 panics on an unknown target and ignores an unknown order; 3.6 refuses both (FEATURES 9)',
    applies: (method, message) => rangesOf(method, message).some(hasUnknownSort),
    answer: etcdErrors.invalidSortOption,
  },
  {
    name: 'unknown compare target or result',
    reason: 'etcd takes every such compare for true; a request that cannot be understood must not have effects',
    applies: (method, message) => txnsOf(method, message).some((txn) => txn.compare.some(hasUnknownCompare)),
    answer: etcdErrors.invalidRequest,
  },
  {
    name: 'put inside a delete to the end of the keyspace',
    reason: 'etcd compares with the NUL of the wire and sees no overlap, so that order decides (FEATURES 33)',
    applies: isOpenDeleteUnseen,
    answer: etcdErrors.duplicateKey,
  },
  {
    name: 'put in a nested transaction, delete of it in a later one',
    reason: 'etcd refuses it in the opposite order only; the API allows no key to be written twice (FEATURES 32)',
    applies: isNestedDeleteUnseen,
    answer: etcdErrors.duplicateKey,
  },
  {
    name: 'transactions nested deeper than limits.txnDepthMax',
    reason: 'every level costs stack at each member; etcd has no bound',
    applies: (method, message) => method === 'Txn' && depthOf(message as TxnRequest) > limits.txnDepthMax,
    answer: etcdErrors.tooManyOps,
  },
]

const tolerated: readonly Tolerated[] = [
  {
    name: 'order of pairs that sort as equal',
    reason: 'etcd does not sort stably when there are more than twelve; here they stand in the order of their keys',
    explains: ({ method, message, etcd, leasehold }) =>
      etcd.error === null &&
      leasehold.error === null &&
      messageText(withoutTies(method, message, etcd.message)) ===
        messageText(withoutTies(method, message, leasehold.message)),
  },
  {
    name: 'words for bytes that are no message',
    reason: 'etcd shows its decoder speaking Go; code and effect are the same',
    explains: ({ etcd, leasehold }) =>
      etcd.error?.code === Code.Internal &&
      leasehold.error?.code === Code.Internal &&
      etcd.error.message.startsWith('grpc: error unmarshalling request: '),
  },
  {
    name: 'field of another wire type',
    reason: 'the protobuf specification has it skipped as unknown; the decoder of etcd refuses the message',
    explains: ({ isAltered, etcd }) =>
      isAltered && etcd.error?.code === Code.Internal && /wrong wireType/.test(etcd.error.message),
  },
]

/** What watches do differently; where is said in watch-pair.ts and session.ts. */
const onWatches = {
  lostTombstone: {
    name: 'deletes of the revision of the compaction',
    reason: 'etcd before 3.5.18 compacts them away, so that a watch from there misses them (FEATURES 23)',
  },
  negativeStart: {
    name: 'watch from a negative revision',
    reason: 'etcd before 3.6.6 begins with some revision; the watch is refused as compacted (FEATURES 44)',
  },
  futureProgress: {
    name: 'progress of a stream with a watch from the future',
    reason: 'etcd before 3.5.22 reports a revision below the start of the watch (FEATURES 43)',
  },
  compactedHeader: {
    name: 'revision in the header that ends a watch from before the compaction',
    reason: 'etcd leaves it out; the clients go by compact_revision, and the header of every other answer has it',
  },
  compactedId: {
    name: 'id of a watch that was ended by a compaction',
    reason: 'it stays taken in etcd until the client cancels the watch that has already ended',
  },
  undecodable: {
    name: 'words for bytes on a stream that are no message',
    reason: 'as for other calls: the code is the same',
  },
} as const satisfies Record<string, Known>

/** Which rows explain what is seen, and which of them ever did. */
export class KnownDifferences {
  readonly #seen = new Map<string, number>()

  /** The row by which a request is put to leasehold only, or null. */
  onlyHere(method: MethodName, message: unknown): OnlyHere | null {
    return this.#note(onlyHere.find((row) => row.applies(method, message)))
  }

  explains(exchange: Exchange): boolean {
    return this.#note(tolerated.find((row) => row.explains(exchange))) !== null
  }

  saw(row: keyof typeof onWatches): void {
    this.#note(onWatches[row])
  }

  /** How often each row was needed. */
  counts(): { readonly name: string; readonly count: number }[] {
    const rows: readonly Known[] = [...onlyHere, ...tolerated, ...Object.values(onWatches)]
    return rows.map(({ name }) => ({ name, count: this.#seen.get(name) ?? 0 }))
  }

  #note<T extends Known>(row: T | undefined): T | null {
    if (row === undefined) return null
    this.#seen.set(row.name, (this.#seen.get(row.name) ?? 0) + 1)
    return row
  }
}

/** A request may be wrong in several ways, and the order in which they are looked for is nobody's promise. */
export const isRefusal = (row: OnlyHere, { error }: Answer): boolean =>
  error !== null &&
  (error.message === row.answer.message ? error.code === row.answer.code : error.code === Code.InvalidArgument)
