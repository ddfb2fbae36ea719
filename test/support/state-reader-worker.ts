/** A serving thread's view of the state: answers each message by what it reads after a refresh. */
import { parentPort, workerData } from 'node:worker_threads'
import { emptyBytes, utf8 } from '../../src/base/bytes.ts'
import { type LmdbReader, openLmdbReader } from '../../src/storage/lmdb-reader.ts'

export type ReaderRequest =
  | { readonly kind: 'get'; readonly key: string }
  /** Reads pairs `left` and `right` until they differ or `rounds` are over. */
  | { readonly kind: 'compare'; readonly rounds: number }
  | { readonly kind: 'reopen'; readonly path: string }
  | { readonly kind: 'scan' }
  | { readonly kind: 'close' }

const port = parentPort!
let reader: LmdbReader = openLmdbReader(workerData as string)

const textOf = (key: string): string =>
  reader.read((view) => {
    const value = view.get('meta', utf8(key))
    return value === undefined ? '' : Buffer.from(value).toString()
  })

async function answer(request: ReaderRequest): Promise<unknown> {
  reader.refresh()
  switch (request.kind) {
    case 'get':
      return textOf(request.key)
    case 'compare': {
      let states = 0
      let last = ''
      for (let i = 0; i < request.rounds; i++) {
        reader.refresh()
        const [left, right] = reader.read((view) => {
          const first = view.get('meta', utf8('left'))
          // Long enough for a commit to come in between.
          for (let k = 0; k < 20; k++) view.count('history', { start: emptyBytes, end: null })
          return [Buffer.from(first!).toString(), Buffer.from(view.get('meta', utf8('right'))!).toString()]
        })
        if (left !== right) return `half a commit: ${left} and ${right}`
        if (left !== last) states++
        last = left!
      }
      return states
    }
    case 'reopen': {
      const old = reader
      reader = openLmdbReader(request.path)
      await old.close()
      return 'reopened'
    }
    case 'scan':
      return reader.read((view) => [...view.scan('history', { start: emptyBytes, end: null })].length)
    case 'close':
      await reader.close()
      return 'closed'
  }
}

port.on('message', (request: ReaderRequest) => {
  void answer(request).then((value) => {
    port.postMessage(value)
    if (request.kind === 'close') port.close()
  })
})
port.postMessage('ready')
