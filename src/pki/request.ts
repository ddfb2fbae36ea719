import { join } from 'node:path'
import {
  type CertificateRequest,
  type DistinguishedName,
  keyProblem,
  oids,
  parseCertificateRequest,
  pem,
  pemBlocks,
  requestProblem,
  showAlternativeName,
  showName,
  usageNames,
  X509Error,
} from '../x509/index.ts'
import { trustFile, withAuthority } from './authority-folder.ts'
import { signRequest } from './certificate.ts'
import { subjectAltName } from './extension.ts'
import { type AuthorityAccess, type IssuedLeaf, signAndRecord } from './issue-leaf.ts'
import { PkiError } from './pki-error.ts'
import { checkAbsent, checkFileName, makeFolder, readBytes, writeNew } from './private-files.ts'
import { exportKey, newKey } from './private-key.ts'
import { loadProfiles, type Profile, profileNamed } from './profile.ts'
import { type AlternativeNames, subjectName } from './subject-names.ts'

export interface NewRequestOptions extends AlternativeNames {
  /** Of the files: `<name>.csr` and `<name>.key`. */
  readonly name: string
  readonly commonName: string
  readonly outDir: string
}

/** A new key that stays where it is made, and a request for a certificate for it. @throws PkiError */
export function createRequest(options: NewRequestOptions): { readonly requestFile: string; readonly keyFile: string } {
  const { name, commonName, outDir } = options
  checkFileName(name)
  checkAbsent(outDir, [`${name}.csr`, `${name}.key`])
  const { publicKey, privateKey } = newKey()
  const hasNames = options.dnsNames.length + options.ipAddresses.length + options.uris.length > 0
  if (commonName === '' && !hasNames) throw new PkiError('a request needs a common name or another name')
  const extensions = hasNames ? [subjectAltName(options, commonName === '')] : []
  const request = signRequest({ subject: subjectName(commonName), publicKey, extensions }, privateKey)
  makeFolder(outDir)
  writeNew(outDir, `${name}.key`, exportKey(privateKey, null))
  writeNew(outDir, `${name}.csr`, pem('CERTIFICATE REQUEST', request))
  return { requestFile: join(outDir, `${name}.csr`), keyFile: join(outDir, `${name}.key`) }
}

export interface SignRequestOptions extends AuthorityAccess {
  readonly requestFile: string
  readonly profile: string
  /** Instead of the request's subject; absent or null: that one, which must be a common name or nothing. */
  readonly commonName?: string | null
  /** Instead of the request's alternative names, all of them; absent or null: those. */
  readonly names?: AlternativeNames | null
  /** Of the certificate's file: `<name>.crt`. */
  readonly name: string
  readonly validityDays?: number | null
  readonly outDir: string
}

/**
 * Issues a certificate for the key of a request. What it asks for and would not get is a reason to refuse it, so that
 * nobody believes to have what he has not.
 *
 * @throws PkiError naming the file and what is wrong with it.
 */
export function signRequestFile(options: SignRequestOptions): Omit<IssuedLeaf, 'keyFile'> {
  const { dir, requestFile, name, outDir, passphrase = null, profiles = loadProfiles() } = options
  const profile = profileNamed(options.profile)
  checkFileName(name)
  const request = readRequestFile(requestFile)
  const asked = inFile(requestFile, () => {
    checkRequest(request, profiles.certificates[profile], options.profile)
    return {
      commonName: options.commonName ?? commonNameOf(request.subject),
      names: options.names ?? alternativeNamesOf(request),
    }
  })
  return withAuthority(dir, passphrase, (folder) => {
    checkAbsent(outDir, [`${name}.crt`])
    const validityDays = options.validityDays ?? null
    const leaf = inFile(requestFile, () =>
      signAndRecord(
        folder,
        { profile, commonName: asked.commonName, ...asked.names, validityDays },
        request.publicKey,
        profiles,
      ),
    )
    makeFolder(outDir)
    writeNew(outDir, `${name}.crt`, leaf.certPem)
    return {
      certFile: join(outDir, `${name}.crt`),
      caFile: join(dir, trustFile),
      serial: leaf.serial,
      notAfter: leaf.notAfter,
    }
  })
}

const requestLabels = new Set(['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST'])

/** PEM or DER. @throws PkiError naming the file. */
export function readRequestFile(file: string): CertificateRequest {
  const bytes = readBytes(file)
  return inFile(file, () => {
    if (bytes.length === 0) throw new PkiError('it is empty')
    if (bytes[0] === 0x30) return parseCertificateRequest(bytes)
    const blocks = pemBlocks(bytes.toString('latin1')).filter(({ label }) => requestLabels.has(label))
    if (blocks.length !== 1)
      throw new PkiError(blocks.length === 0 ? 'no certificate request found in it' : 'more than one request in it')
    return parseCertificateRequest(blocks[0]!.der)
  })
}

function inFile<T>(file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const isNamed = error instanceof PkiError && /^[^ ]*\//.test(error.message)
    if (isNamed || !(error instanceof PkiError || error instanceof X509Error)) throw error
    throw new PkiError(`${file}: ${error.message}`, { cause: error })
  }
}

function checkRequest(request: CertificateRequest, profile: Profile, profileName: string): void {
  const problem = keyProblem(request.publicKey) ?? requestProblem(request)
  if (problem !== null) throw new PkiError(problem)
  const { extensions } = request
  if (extensions.basicConstraints?.ca === true) throw new PkiError('it asks to be an authority')
  const usages = new Set<string>(profile.extendedKeyUsage.map((usage) => oids[usage]))
  for (const usage of extensions.extendedKeyUsage ?? [])
    if (!usages.has(usage))
      throw new PkiError(`it asks for a usage that profile ${profileName} has not: ${usageNames.get(usage) ?? usage}`)
  const [certifying] = (extensions.keyUsage ?? []).filter((usage) => usage === 'keyCertSign' || usage === 'cRLSign')
  if (certifying !== undefined) throw new PkiError(`it asks for the key usage of an authority: ${certifying}`)
  if (extensions.unknownCritical.length > 0)
    throw new PkiError(`it asks for a critical extension that is not known: ${extensions.unknownCritical[0]}`)
}

function commonNameOf(subject: DistinguishedName): string {
  if (subject.attributes.length === 0) return ''
  const [attribute, ...more] = subject.attributes
  if (attribute!.type !== oids.commonName || attribute!.value === null || more.length > 0)
    throw new PkiError(`its subject is not just a common name: ${showName(subject)} (--common-name replaces it)`)
  return attribute!.value
}

function alternativeNamesOf({ extensions }: CertificateRequest): AlternativeNames {
  const names = { dnsNames: [] as string[], ipAddresses: [] as string[], uris: [] as string[] }
  for (const name of extensions.alternativeNames) {
    if (name.kind === 'dns') names.dnsNames.push(name.value)
    else if (name.kind === 'ip') names.ipAddresses.push(name.value)
    else if (name.kind === 'uri') names.uris.push(name.value)
    else throw new PkiError(`it asks for a name of a kind that is not issued: ${showAlternativeName(name)}`)
  }
  return names
}
