import type { Call, Credentials } from '../../src/service/call.ts'

export const noCredentials: Credentials = {
  token: null,
  certificateName: null,
  certificateSha256: null,
  certificateExpiresMs: null,
  address: '127.0.0.1',
}

/** A call that somebody waits for, until `end`. */
export function fakeCall(credentials: Call['credentials'] = noCredentials): Call & { end(): void } {
  const callbacks: (() => void)[] = []
  let ended = false
  return {
    credentials,
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
