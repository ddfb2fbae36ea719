/** The entry of a serving thread: a composition root of its own, hence the imports of adapters. */
import { serveClients } from '../grpc/server.ts'
import { openLmdbReader } from '../storage/lmdb-reader.ts'
import { runServingThread } from './run-serving-thread.ts'
import type { ServeOptions } from './serving.ts'

await runServingThread<ServeOptions>({
  openReader: openLmdbReader,
  serve: (member, { listenUrls, ...options }, log, tls) =>
    serveClients({ ...options, tls, member, listenUrls: listenUrls.map((url) => new URL(url)), reusePort: true, log }),
})
