import type { Call } from '../../src/service/call.ts'

/** A call that somebody waits for, until `end`. */
export function fakeCall(): Call & { end(): void } {
  const callbacks: (() => void)[] = []
  let ended = false
  return {
    get ended() {
      return ended
    },
    onEnd(callback) {
      if (ended) callback()
      else callbacks.push(callback)
    },
    end() {
      if (ended) return
      ended = true
      for (const callback of callbacks) callback()
    },
  }
}

/** Never ends. */
export const liveCall: Call = fakeCall()
