/** What a simulated adapter needs of the member that it belongs to. Nothing of this does anything once it has crashed. */
export interface Machine {
  readonly name: string
  /** Runs `work` as an event of this member after `delayMs`: later if it is paused, never if it has crashed by then. */
  later(delayMs: number, work: () => void): { cancel(): void }
  /** Called whenever the member asks something of the outside. @returns false if it died just before. */
  alive(): boolean
  trace(what: string): void
}
