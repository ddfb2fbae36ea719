import { emptyBytes } from '../base/bytes.ts'
import type { LeaseId, Revision } from '../base/ids.ts'
import { LeaseGrantResponse } from './gen/rpc.ts'
import { keyValueOfField } from './key-value.ts'
import { Pieces } from './pieces.ts'
import { highHalf, lowHalf, varint64Size, varintSize, writeVarint, writeVarint64 } from './varint.ts'

/** Responses of writes without their header, which the serving side puts in front. */

/** @param previous the replaced key-value as field 2, if it was asked for and there was one. */
export const putBody = (previous: Uint8Array | null): Uint8Array => previous ?? emptyBytes

/** @param previous the deleted key-values as fields 2, if they were asked for. */
export function deleteRangeBody(deleted: number, previous: readonly Uint8Array[]): Uint8Array {
  if (deleted === 0) return emptyBytes
  const body = new Pieces()
  body.addNumber(0x10, deleted)
  for (const field of previous) body.addBytes(0x1a, keyValueOfField(field))
  return body.join()
}

export function leaseGrantBody(id: LeaseId, ttlSeconds: number): Uint8Array {
  return LeaseGrantResponse.encode({ header: undefined, ID: id, TTL: BigInt(ttlSeconds), error: '' }).finish()
}

/** One lease of LeaseLeasesResponse, as its field 2. */
export function leaseStatusField(id: LeaseId): Uint8Array {
  const high = highHalf(id)
  const low = lowHalf(id)
  // At most 10 bytes and a tag, so the length is always one byte.
  const size = 1 + varint64Size(high, low)
  const field = Buffer.allocUnsafe(2 + size)
  field[0] = 0x12
  field[1] = size
  field[2] = 0x08
  writeVarint64(field, 3, high, low)
  return field
}

/** Field number of `keys` in LeaseTimeToLiveResponse, as a tag. */
export const leaseKeysTag = 0x2a

/** Field numbers of ResponseOp, and RequestOp. */
export const OpField = { range: 1, put: 2, deleteRange: 3, txn: 4 } as const
export type OpField = (typeof OpField)[keyof typeof OpField]

/**
 * A TxnResponse in the making. As in etcd, the header of a range, put or delete within it has the revision only, and
 * that of a nested transaction is there but empty.
 */
export class TxnBody {
  readonly pieces = new Pieces()

  constructor(succeeded: boolean) {
    this.pieces.addNumber(0x10, succeeded ? 1 : 0)
  }

  add(field: OpField, revision: Revision, body: Uint8Array | Pieces): void {
    const response = new Pieces()
    response.addBytes(0x0a, revisionHeader(revision))
    if (body instanceof Pieces) response.addAll(body)
    else if (body.length > 0) response.add(body)
    this.#addOp(field, response)
  }

  addNested(nested: TxnBody): void {
    const response = new Pieces()
    response.addBytes(0x0a, emptyBytes)
    response.addAll(nested.pieces)
    this.#addOp(OpField.txn, response)
  }

  #addOp(field: OpField, response: Pieces): void {
    const op = new Pieces()
    op.addNested((field << 3) | 2, response)
    this.pieces.addNested(0x1a, op)
  }
}

function revisionHeader(revision: Revision): Uint8Array {
  const header = Buffer.allocUnsafe(1 + varintSize(revision))
  header[0] = 0x18
  writeVarint(header, 1, revision)
  return header
}
