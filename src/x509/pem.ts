import { X509Error } from './x509-error.ts'

export interface PemBlock {
  /** CERTIFICATE, X509 CRL, PRIVATE KEY and the like. */
  readonly label: string
  readonly der: Buffer
  /** Headers of the old kind, which encrypted keys have. */
  readonly hasHeaders: boolean
}

const begin = '-----BEGIN '
const dashes = '-----'

/**
 * The blocks of a PEM text in order; text around them is ignored, as everybody does.
 *
 * @param text one character a byte.
 * @throws X509Error on a block that is damaged or does not end: half a bundle must not pass for a whole one.
 * @source RFC 7468.
 */
export function pemBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = []
  for (let at = text.indexOf(begin); at !== -1; at = text.indexOf(begin, at)) {
    const where = `PEM block ${blocks.length + 1}`
    const labelEnd = text.indexOf(dashes, at + begin.length)
    const label = labelEnd === -1 ? '' : text.slice(at + begin.length, labelEnd)
    if (!/^[A-Z0-9 ]{1,40}$/.test(label)) throw new X509Error(`${where} has no proper label`)
    const bodyStart = labelEnd + dashes.length
    const end = `-----END ${label}-----`
    const bodyEnd = text.indexOf(end, bodyStart)
    if (bodyEnd === -1) throw new X509Error(`${where} (${label}) does not end: the file is cut off`)
    const body = text.slice(bodyStart, bodyEnd)
    const hasHeaders = body.includes(':')
    const digits = (hasHeaders ? body.slice(body.search(/\r?\n\r?\n/)) : body).replace(/[ \t\r\n]+/g, '')
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(digits) || digits.length % 4 !== 0)
      throw new X509Error(`${where} (${label}) is not base64`)
    blocks.push({ label, der: Buffer.from(digits, 'base64'), hasHeaders })
    at = bodyEnd + end.length
  }
  return blocks
}

export function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}
