import type { Metadata } from '@grpc/grpc-js'

/** First value of a request metadata entry. */
export function metadataValue(metadata: Metadata | null, name: string): string | undefined {
  return metadata?.get(name)[0]?.toString()
}
