import { limits } from '../base/limits.ts'
import type { Log } from '../base/log.ts'
import type { OutsideIssuerConfig } from '../config/token-settings.ts'
import { type FileWatch, watchFiles } from '../security/file-watch.ts'
import { fetchKeySetText } from './fetch-key-set.ts'
import { type KeySet, parseKeySet } from './key-set.ts'
import { readKeyFile } from './read-key-file.ts'

const noKeys: KeySet = new Map()

/**
 * The keys of an issuer elsewhere, kept as they were last read whenever they cannot be read. Those at an address are asked for
 * again every few minutes, and when a token names a key that is not known, but not often: whoever sends such tokens
 * does not have the issuer asked.
 */
export class OutsideKeys {
  readonly #config: OutsideIssuerConfig
  readonly #log: Log
  readonly #onChange: () => void
  readonly #nowMs: () => number
  #keys: KeySet = noKeys
  #text = ''
  #triedMs = Number.NEGATIVE_INFINITY
  #reading: Promise<void> | null = null
  #timer: NodeJS.Timeout | null = null
  #watch: FileWatch | null = null
  #isClosed = false
  /** Tokens that wait for the issuer's answer. */
  #waiting = 0

  constructor(
    config: OutsideIssuerConfig,
    log: Log,
    onChange: () => void,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#config = config
    this.#log = log
    this.#onChange = onChange
    this.#nowMs = nowMs
  }

  /**
   * Begins to keep the keys fresh.
   *
   * @throws TokenKeyError if they are in a file that cannot be used.
   */
  async start(): Promise<void> {
    const { keys } = this.#config
    if (keys.kind === 'file') {
      this.#watch = watchFiles([keys.file], limits.tokenKeyFilesLookedAtMs, () => void this.#read())
      await this.#load(keys.file)
    } else {
      // The issuer may be away when the member starts: it serves all others meanwhile.
      void this.#refresh()
    }
  }

  get current(): KeySet {
    return this.#keys
  }

  /**
   * Those of now; if none of them is `id`, those that the issuer has by now, if it was not asked a moment ago and not too many
   * wait for it already.
   */
  async withKey(id: string | null): Promise<KeySet> {
    if (this.#has(id) || this.#config.keys.kind === 'file') return this.#keys
    const mayAsk = this.#reading !== null || this.#nowMs() - this.#triedMs >= limits.keySetRefreshMsMin
    if (!mayAsk || this.#waiting >= limits.keySetWaitingMax) return this.#keys
    this.#waiting++
    try {
      await this.#refresh()
    } finally {
      this.#waiting--
    }
    return this.#keys
  }

  #has(id: string | null): boolean {
    return id === null ? this.#keys.size > 0 : this.#keys.has(id)
  }

  close(): void {
    this.#isClosed = true
    this.#watch?.stop()
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  async #refresh(): Promise<void> {
    if (this.#isClosed) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#read()
    if (this.#isClosed) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    const waitMs = this.#keys.size === 0 ? limits.keySetRefreshMsMin : limits.keySetRefreshMs
    this.#timer = setTimeout(() => void this.#refresh(), waitMs).unref()
  }

  /** Never rejects. Who asks while it is read gets what comes of that. */
  #read(): Promise<void> {
    this.#reading ??= this.#readOnce().finally(() => {
      this.#reading = null
    })
    return this.#reading
  }

  async #readOnce(): Promise<void> {
    const { keys } = this.#config
    this.#triedMs = this.#nowMs()
    const source = keys.kind === 'file' ? keys.file : keys.url
    try {
      await this.#load(source)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#log.warn('cannot read the keys of the outside issuer: those from before are kept', { source, reason })
    }
  }

  async #load(source: string): Promise<void> {
    const { keys } = this.#config
    const text = keys.kind === 'file' ? readKeyFile(source) : await fetchKeySetText(source, keys.caFile)
    if (text === this.#text) return
    this.#keys = await parseKeySet(text, source, 'outside')
    this.#text = text
    this.#onChange()
    this.#log.info('read the keys of the outside issuer', { source, keys: [...this.#keys.keys()] })
  }
}
