import type { AuditPolicy } from '../audit/levels.ts'
import type { TlsContents } from '../security/tls-contents.ts'
import type { MemberInfo } from '../service/member.ts'
import type { AuditOfMember } from './member-audit.ts'
import type { PasswordsOfMember } from './passwords-port.ts'
import type { SharedCounts } from './serving-counts.ts'
import type { CoreSnapshot } from './thread-member.ts'

/** Rare messages between a serving thread and the core go as plain objects beside the flat records. */
export type ToThread =
  | { readonly kind: 'close'; readonly drainMs: number }
  /** Checked already; in use from now on. */
  | { readonly kind: 'tls'; readonly contents: TlsContents }
  /** What is audited from now on. */
  | { readonly kind: 'auditPolicy'; readonly policy: AuditPolicy }
  /** What was asked for by this number; null: it cannot be had now. */
  | { readonly kind: 'metrics'; readonly id: number; readonly text: string | null }

export type FromThread =
  /** Serves on all addresses. */
  | { readonly kind: 'ready' }
  /** Could not start serving. */
  | { readonly kind: 'refused'; readonly message: string }
  /** Has closed everything and ends. */
  | { readonly kind: 'closed' }
  /** A client wants to see the metrics of the process. */
  | { readonly kind: 'askMetrics'; readonly id: number }
  | {
      readonly kind: 'log'
      readonly level: 'debug' | 'info' | 'warn' | 'error' | 'fatal'
      readonly message: string
      readonly fields: Record<string, unknown>
    }

/** What a thread is started with. `serve` is plain data, meant for the thread's own `serve` function. */
export interface ThreadStart<Serve> {
  readonly info: MemberInfo
  readonly core: CoreSnapshot
  readonly serve: Serve
  /** What is in use at this moment, whatever stands on disk. Null: plaintext. */
  readonly tls: TlsContents | null
  /** What it counts goes there. */
  readonly counts: SharedCounts
  /** Where passwords are looked at. Null: nobody logs in here. */
  readonly passwords: PasswordsOfMember | null
  /** Where it is written down what callers do. Null: nowhere. */
  readonly audit: AuditOfMember | null
}
