/** One bidirectional call as a service sees it: encoded messages in, encoded messages out. */
export interface MessageStream {
  /** `message` is undefined-free encoded protobuf; called in order, never after `onEnd` or `onClose`. */
  onMessage(listener: (message: Uint8Array) => void): void
  /** The client will send no more (half-closed). */
  onEnd(listener: () => void): void
  /** The call is over for any reason: cancelled, deadline, connection lost, ended here. Once. */
  onClose(listener: () => void): void
  /** The client has taken what was written: `write` may go on after it returned false. */
  onDrain(listener: () => void): void
  /** @returns false if the transport's buffer is full: hold back until `onDrain`. Writing after close does nothing. */
  write(message: Uint8Array): boolean
  /** Holds the client back: no more messages until `resume`. */
  pause?(): void
  resume?(): void
  /** Ends the call with status OK, or with the error: a refusal in its own words, any other as a defect. */
  end(error?: Error): void
  /** First value of a request metadata entry. */
  metadata(name: string): string | undefined
}
