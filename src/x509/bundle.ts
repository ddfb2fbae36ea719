import { type Certificate, parseCertificate } from './certificate.ts'
import { type PemBlock, pemBlocks } from './pem.ts'
import { parseRevocationList, type RevocationList } from './revocation-list.ts'
import { X509Error } from './x509-error.ts'

/**
 * The certificates of a file: PEM, one or many, or one in DER. Other PEM blocks (a key, say) are passed over.
 *
 * @throws X509Error if one is damaged or there is none.
 */
export const readCertificates = (bytes: Uint8Array): Certificate[] =>
  readAll(bytes, ['CERTIFICATE'], 'certificate', parseCertificate)

/** The revocation lists of a file: PEM, one or many, or one in DER. @throws X509Error if one is damaged or there is none. */
export const readRevocationLists = (bytes: Uint8Array): RevocationList[] =>
  readAll(bytes, ['X509 CRL'], 'revocation list', parseRevocationList)

function readAll<T>(bytes: Uint8Array, labels: readonly string[], what: string, parse: (der: Uint8Array) => T): T[] {
  if (bytes.length === 0) throw new X509Error('it is empty')
  const isDer = bytes[0] === 0x30
  const blocks: Pick<PemBlock, 'der' | 'label'>[] = isDer
    ? [{ label: labels[0]!, der: Buffer.from(bytes) }]
    : pemBlocks(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1'))
  const wanted = blocks.filter(({ label }) => labels.includes(label))
  if (wanted.length === 0) throw new X509Error(`no ${what} found in it`)
  return wanted.map(({ der }, i) => {
    try {
      return parse(der)
    } catch (error) {
      if (!(error instanceof X509Error)) throw error
      throw new X509Error(`${what}${wanted.length > 1 ? ` ${i + 1}` : ''}: ${error.message}`, { cause: error })
    }
  })
}
