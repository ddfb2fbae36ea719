import { Code, EtcdError } from '../errors.ts'
import { StatusError } from './status-error.ts'
import { StrictReader } from './strict-reader.ts'

interface Decoder<T> {
  decode(input: StrictReader): T
}

/**
 * Decodes one client message; whatever the generated decoders throw becomes the one refusal that a gRPC server gives
 * for bytes that are not the message.
 *
 * @throws StatusError Internal, the code that grpc-go answers with.
 */
export function decodeRequest<T>(type: Decoder<T>, bytes: Uint8Array): T {
  const reader = new StrictReader(bytes)
  try {
    const message = type.decode(reader)
    reader.finish()
    return message
  } catch (cause) {
    throw malformed(cause)
  }
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
