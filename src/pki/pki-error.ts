/** A request that the authority refuses, or files that it cannot work with. The message is one line for the operator. */
export class PkiError extends Error {
  override readonly name = 'PkiError'
}
