import { EtcdError } from '../errors.ts'

/** Decodes with a generated decoder; bytes it cannot read are a refusal, not a crash. */
export function decodeRequest<T>(codec: { decode(input: Uint8Array): T }, bytes: Uint8Array): T {
  try {
    return codec.decode(bytes)
  } catch (cause) {
    throw new EtcdError('invalidRequest', { cause })
  }
}
