/** What is wrong with keys or a file of them, in one line that names the file and quotes nothing of it. */
export class TokenKeyError extends Error {
  override readonly name = 'TokenKeyError'
}
