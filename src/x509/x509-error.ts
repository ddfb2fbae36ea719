/** Bytes that are not the certificate, request or list that they should be. One line; the caller names the file. */
export class X509Error extends Error {
  override readonly name = 'X509Error'
}
