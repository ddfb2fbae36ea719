import type { BinaryReader } from '@bufbuild/protobuf/wire'
import { StrictReader } from '../../src/service/strict-reader.ts'
import { type MethodName, methods } from './step.ts'

interface Codec {
  readonly request: { encode(message: unknown): { finish(): Uint8Array }; decode(reader: BinaryReader): unknown }
  readonly response: { decode(reader: BinaryReader): unknown }
}

/** The generated decoders count the messages around them here, and stop at 100: an answer may be nested deeper. */
const depthCounter = '__tsProtoDecodeDepth'
const deepReader = (bytes: Uint8Array): StrictReader =>
  Object.assign(new StrictReader(bytes), { [depthCounter]: Number.MIN_SAFE_INTEGER })

export const encodeRequest = (method: MethodName, message: unknown): Uint8Array =>
  (methods[method] as Codec).request.encode(message).finish()

/** Null for bytes that are not the message. */
export function decodeRequest(method: MethodName, bytes: Uint8Array): unknown {
  const reader = deepReader(bytes)
  try {
    const message = (methods[method] as Codec).request.decode(reader)
    reader.finish()
    return message
  } catch {
    return null
  }
}

export const decodeResponse = (method: MethodName, bytes: Uint8Array): unknown =>
  (methods[method] as Codec).response.decode(deepReader(bytes))
