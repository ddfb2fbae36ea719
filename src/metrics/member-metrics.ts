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

/** All that can be watched of one member. Until `serving` has been called only what the process has from Node. */
export class MemberMetrics {
  readonly #registry = new MetricsRegistry()

  serving({ core, threads, health, tls, audit }: MetricsSources): void {
    this.#registry.add(coreFamilies(core))
    this.#registry.add(servingFamilies(threads, health))
    this.#registry.add(callFamilies(threads.map(({ counts }) => counts.calls)))
    this.#registry.add(tlsFamilies(tls))
    if (audit !== null) this.#registry.add(auditFamilies(audit))
  }

  /** In the text format of Prometheus. */
  readonly text = (): Promise<string> => this.#registry.text()
}
