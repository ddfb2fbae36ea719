import { gunzip, inflate } from 'node:zlib'
import { Code } from '../errors.ts'
import { StatusError } from '../service/status-error.ts'

/** How messages may be compressed, beside not at all. */
export type Encoding = 'gzip' | 'deflate'

/** What clients are told that they may use. */
export const acceptedEncodings = 'identity,deflate,gzip'

/**
 * Gives what the `grpc-encoding` header says of the messages that are compressed: null for none.
 *
 * @throws StatusError for an encoding that is not known here.
 */
export function encodingOf(header: string | undefined): Encoding | null {
  if (header === undefined || header === '' || header === 'identity') return null
  if (header === 'gzip' || header === 'deflate') return header
  throw new StatusError(
    Code.Unimplemented,
    `grpc: Decompressor is not installed for grpc-encoding ${JSON.stringify(header)}`,
  )
}

export const tooLarge = (bytes: number | string, bytesMax: number): StatusError =>
  new StatusError(Code.ResourceExhausted, `grpc: received message larger than max (${bytes} vs. ${bytesMax})`)

/**
 * Gives `done` the message, or a StatusError if it is damaged or unpacks to more than `bytesMax`: it is unpacked no
 * further than that.
 */
export function decompress(
  encoding: Encoding,
  packed: Uint8Array,
  bytesMax: number,
  done: (result: Uint8Array | StatusError) => void,
): void {
  const unpack = encoding === 'gzip' ? gunzip : inflate
  unpack(packed, { maxOutputLength: bytesMax }, (error: NodeJS.ErrnoException | null, message) => {
    if (error === null) done(message)
    else if (error.code === 'ERR_BUFFER_TOO_LARGE') done(tooLarge(`more than ${bytesMax}`, bytesMax))
    else done(new StatusError(Code.Internal, `grpc: failed to decompress the received message: ${error.message}`))
  })
}
