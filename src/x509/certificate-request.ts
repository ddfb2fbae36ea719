import type { KeyObject } from 'node:crypto'
import { signedOf } from './certificate.ts'
import { contextTag, DerValue, tags } from './der-value.ts'
import { type DistinguishedName, nameOf } from './distinguished-name.ts'
import { type Extensions, extensionsOf } from './extensions.ts'
import { oids } from './oids.ts'
import { publicKeyOf } from './public-key.ts'
import { type Signed, signatureProblem } from './signature.ts'
import { X509Error } from './x509-error.ts'

/** What somebody wants a certificate for. */
export interface CertificateRequest extends Signed {
  readonly der: Buffer
  readonly subject: DistinguishedName
  readonly publicKey: KeyObject
  /** Those that are asked for. */
  readonly extensions: Extensions
}

/** @throws X509Error naming what is damaged. @source RFC 2986 (PKCS #10). */
export function parseCertificateRequest(bytes: Uint8Array): CertificateRequest {
  const outer = DerValue.of(bytes)
  const { signed, items } = signedOf(outer)
  const version = items.next().smallInteger()
  if (version !== 0) throw new X509Error(`certificate requests of version ${version + 1} are not known`)
  const subject = nameOf(items.next())
  const publicKey = publicKeyOf(items.next(tags.sequence).der)
  const attributes = items.optional(contextTag(0, true))
  items.end()
  let extensions: Extensions | null = null
  for (const attribute of attributes?.items(contextTag(0, true)) ?? []) {
    const parts = attribute.items()
    const id = parts.next().oid()
    const value = parts.next(tags.set)
    parts.end()
    if (id !== oids.extensionRequest) continue
    if (extensions !== null) throw attribute.damage('two lists of extensions')
    extensions = extensionsOf(value.inner(tags.set))
  }
  return { ...signed, der: outer.der, subject, publicKey, extensions: extensions ?? extensionsOf(null) }
}

/** Why the request does not show that its sender has the key, or null if it does. */
export const requestProblem = (request: CertificateRequest): string | null =>
  signatureProblem(request, request.publicKey)
