import { hashText } from './hash.ts'

export interface TraceOptions {
  readonly tailLines: number
  /** Gets every line as it happens. */
  readonly onLine?: (line: string) => void
}

/** What happened, in order: the last lines for the reader of a failure, and a hash of all of it for the determinism test. */
export class Trace {
  readonly #options: TraceOptions
  readonly #ring: string[] = []
  #count = 0
  #hash = 0x811c9dc5

  constructor(options: TraceOptions) {
    this.#options = options
  }

  line(atMs: number, who: string, what: string): void {
    const line = `${atMs.toFixed(3).padStart(11)} ${who.padEnd(8)} ${what}`
    this.#hash = hashText(line, this.#hash)
    this.#ring[this.#count % this.#options.tailLines] = line
    this.#count++
    this.#options.onLine?.(line)
  }

  /** Only for who watches: too much for the tail. */
  detail(atMs: number, who: string, what: () => string): void {
    this.#options.onLine?.(`${atMs.toFixed(3).padStart(11)} ${who.padEnd(8)} ${what()}`)
  }

  get count(): number {
    return this.#count
  }

  get hash(): string {
    return this.#hash.toString(16).padStart(8, '0')
  }

  tail(): string[] {
    const start = this.#count % this.#options.tailLines
    if (this.#count <= this.#options.tailLines) return [...this.#ring]
    return [...this.#ring.slice(start), ...this.#ring.slice(0, start)]
  }
}
