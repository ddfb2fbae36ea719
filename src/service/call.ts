import type { CallAudit } from '../audit/call-audit.ts'
import type { Caller } from '../auth/caller.ts'

/** What a caller shows of itself. Nothing here has been found true but the certificate. */
export interface Credentials {
  /** A token, as it came; null: none was sent. */
  readonly token: string | null
  /** The user's name in its verified certificate, where certificates say who users are; null: it has none, or they do not. */
  readonly certificateName: string | null
  /** Base64url of the SHA-256 of that certificate; null: it showed none. */
  readonly certificateSha256: string | null
  /** Wall clock, of the same. */
  readonly certificateExpiresMs: number | null
  /** Where it calls from; empty if that is not known. */
  readonly address: string
}

/** One call as its handler sees it, whatever its kind. */
export interface Call {
  /** Whether nobody waits for the answer any more: cancelled, connection lost, deadline passed, or answered. */
  readonly ended: boolean
  /** `callback` is called once when the call ends; at once if it has ended. */
  onEnd(callback: () => void): void
  /** `member`: this member itself asks, for its own ends. */
  readonly credentials: Credentials | 'member'
  /**
   * Who it was found to be when it began, for what goes on for longer than its token may: by that it is judged again. Absent or
   * null: that is to be found out.
   */
  readonly caller?: Caller | null
  /** Takes note of what is decided about it. Absent or null: nothing is written down. */
  readonly audit?: CallAudit | null
}

const never = (): void => {}

/** What goes on for a caller after its call, such as putting back what it had taken; with the caller's rights. */
export const lasting = ({ credentials, audit = null }: Call): Call => ({
  ended: false,
  onEnd: never,
  credentials,
  audit,
})

/** What goes on behind the calls of many, for as long as any of them lasts. Shows its results to nobody. */
export const memberCall: Call = { ended: false, onEnd: never, credentials: 'member' }
