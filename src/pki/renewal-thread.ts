/** The entry of a thread that renews one certificate: an authority's lock may be waited for, and the member cannot wait. */
import { parentPort, workerData } from 'node:worker_threads'
import { PkiError } from './pki-error.ts'
import { type RenewFromAny, renewFromAny } from './renew-from-any.ts'

let answer: { readonly problem: string | null }
try {
  renewFromAny(workerData as RenewFromAny)
  answer = { problem: null }
} catch (error) {
  if (!(error instanceof PkiError)) throw error
  answer = { problem: error.message }
}
parentPort?.postMessage(answer)
