/** One call as its handler sees it, whatever its kind. */
export interface Call {
  /** Whether nobody waits for the answer any more: cancelled, connection lost, deadline passed, or answered. */
  readonly ended: boolean
  /** `callback` is called once when the call ends; at once if it has ended. */
  onEnd(callback: () => void): void
}
