/** The entry of a serving thread: a composition root of its own, hence the imports of adapters. */
import { assert } from '../base/assert.ts'
import { openLmdbReader } from '../storage/lmdb-reader.ts'
import { passwordsThrough } from './passwords-port.ts'
import { runServingThread } from './run-serving-thread.ts'
import { type ServeOptions, serveClientPort } from './serve-client-port.ts'
import { ServingCounts } from './serving-counts.ts'

await runServingThread<ServeOptions>({
  openReader: openLmdbReader,
  serve: (member, options, { log, tls, counts, metrics, passwords, audit }) => {
    assert(passwords !== null, 'whoever serves clients logs them in')
    return serveClientPort(options, {
      ...{ member, tls, reusePort: true, counts: new ServingCounts(counts), metrics, log },
      passwords: passwordsThrough(passwords),
      audit,
    })
  },
})
