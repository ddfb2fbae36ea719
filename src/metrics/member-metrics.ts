import type { TrailWriter } from '../audit/trail-writer.ts'
import type { HealthCounts } from '../http/health-counts.ts'
import type { ServedThread } from '../threads/served-thread.ts'
import { auditFamilies } from './audit-families.ts'
import { callFamilies } from './call-families.ts'
import { type CoreSources, coreFamilies } from './core-families.ts'
import { MetricsRegistry } from './registry.ts'
import { servingFamilies } from './serving-families.ts'
import { type TlsSources, tlsFamilies } from './tls-families.ts'

export interface MetricsSources {
  readonly core: CoreSources
  readonly threads: readonly ServedThread[]
  /** Of everyone who answers /health. */
  readonly health: readonly HealthCounts[]
  readonly tls: TlsSources
  /** Null: nothing is audited. */
  readonly audit: TrailWriter | null
}

/** All that can be watched of one member. */
export class MemberMetrics {
  readonly #registry = new MetricsRegistry()
  readonly #isComplete = Promise.withResolvers<void>()

  serving({ core, threads, health, tls, audit }: MetricsSources): void {
    this.#registry.add(coreFamilies(core))
    this.#registry.add(servingFamilies(threads, health))
    this.#registry.add(callFamilies(threads.map(({ counts }) => counts.calls)))
    this.#registry.add(tlsFamilies(tls))
    if (audit !== null) this.#registry.add(auditFamilies(audit))
    this.#isComplete.resolve()
  }

  /**
   * In the text format of Prometheus. Waits for `serving`: a port is open before all are, and a scrape that has only what the
   * process has from Node would say that the member's metrics are gone.
   */
  readonly text = async (): Promise<string> => {
    await this.#isComplete.promise
    return this.#registry.text()
  }
}
