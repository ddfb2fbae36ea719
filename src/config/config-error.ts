/** A setting that cannot be used. The message is one line that names the setting and says why. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  /** Flag name without dashes; null if the problem is not one flag's. */
  readonly flag: string | null
  constructor(flag: string | null, reason: string, options?: { cause?: unknown }) {
    super(flag === null ? reason : `--${flag}: ${reason}`, options)
    this.flag = flag
  }
}
