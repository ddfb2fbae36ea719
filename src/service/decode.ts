import { BinaryReader } from '@bufbuild/protobuf/wire'
import { Code, EtcdError } from '../errors.ts'
import { StatusError } from './status-error.ts'

interface Decoder<T> {
  decode(input: BinaryReader): T
}

/**
 * Decodes one client message; the generated decoders throw whatever comes to hand and stop without a word at an
 * end-group or zero tag, so both become the one refusal that a gRPC server gives for bytes that are not the message.
 *
 * @throws StatusError Internal, the code that grpc-go answers with.
 */
export function decodeRequest<T>(type: Decoder<T>, bytes: Uint8Array): T {
  const reader = new BinaryReader(bytes)
  let message: T
  try {
    message = type.decode(reader)
  } catch (cause) {
    throw malformed(cause)
  }
  if (reader.pos !== reader.len) throw malformed(new Error(`${reader.len - reader.pos} bytes after the message`))
  return message
}

/**
 * A decoder of `wire/` for bytes from a client: what it cannot read gets the same refusal as above, what it can read and
 * will not have keeps its own.
 */
export const orMalformed =
  <T>(decode: (bytes: Uint8Array) => T) =>
  (bytes: Uint8Array): T => {
    try {
      return decode(bytes)
    } catch (error) {
      throw error instanceof EtcdError && error.reason !== 'invalidRequest' ? error : malformed(error)
    }
  }

const malformed = (cause: unknown): StatusError =>
  new StatusError(Code.Internal, 'grpc: error unmarshalling request: not a valid protobuf message', { cause })
