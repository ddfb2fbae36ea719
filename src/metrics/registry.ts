import { collectDefaultMetrics, type Metric, Registry } from 'prom-client'
import type { Family } from './family.ts'

/**
 * A text that was made is good for so long. It takes 10 ms of the core's thread: however many ask, that is 4 % at the most.
 */
const freshMs = 250

/**
 * The one user of prom-client: what the program counts by itself becomes its output, beside prom-client's own figures of
 * the process and of Node.
 */
export class MetricsRegistry {
  readonly #registry = new Registry()
  #text: Promise<string> | null = null

  constructor() {
    collectDefaultMetrics({ register: this.#registry })
  }

  /** @throws Error on a name that is there already. */
  add(families: Iterable<Family>): void {
    for (const family of families) this.#registry.registerMetric(metricOf(family))
  }

  /** In the text format of Prometheus, 0.0.4. Up to 250 ms old. */
  text(): Promise<string> {
    if (this.#text === null) {
      this.#text = this.#registry.metrics()
      setTimeout(() => {
        this.#text = null
      }, freshMs).unref()
    }
    return this.#text
  }
}

/** All that the registry asks of a metric: its name, and to be read. prom-client's own cannot take over a histogram. */
function metricOf(family: Family): Metric {
  const { name, help, type } = family
  const read = async () => ({
    name,
    help,
    type,
    values: Array.from(family.samples(), ({ labels = {}, value, suffix }) => ({
      labels,
      value,
      ...(suffix === undefined ? {} : { metricName: name + suffix }),
    })),
  })
  return { name, help, type, get: read } as unknown as Metric
}
