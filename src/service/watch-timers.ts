/** Time and chance as watches see them; tests bring their own. */
export interface WatchTimers {
  /** Runs `callback` when the inputs of the current turn have been gathered. */
  soon(callback: () => void): void
  after(ms: number, callback: () => void): { cancel(): void }
  every(ms: number, callback: () => void): { cancel(): void }
  /** Uniform in [0, 1). */
  random(): number
}

/** Node's longest timer; what lies beyond it would fire at once. */
const timerMsMax = 2 ** 31 - 1

export const systemTimers: WatchTimers = {
  soon: (callback) => {
    setImmediate(callback)
  },
  after: (ms, callback) => {
    const timer = setTimeout(callback, Math.min(ms, timerMsMax)).unref()
    return { cancel: () => clearTimeout(timer) }
  },
  every: (ms, callback) => {
    const timer = setInterval(callback, Math.min(ms, timerMsMax)).unref()
    return { cancel: () => clearInterval(timer) }
  },
  random: Math.random,
}
