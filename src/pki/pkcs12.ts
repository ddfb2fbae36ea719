import { createHash, createHmac, type KeyObject, randomBytes } from 'node:crypto'
import type { Certificate } from '../x509/index.ts'
import * as der from './der.ts'
import { encryptKey, encryptWithPassphrase } from './password-encryption.ts'

const oids = {
  data: '1.2.840.113549.1.7.1',
  encryptedData: '1.2.840.113549.1.7.6',
  shroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certificateBag: '1.2.840.113549.1.12.10.1.3',
  x509Certificate: '1.2.840.113549.1.9.22.1',
  friendlyName: '1.2.840.113549.1.9.20',
  localKeyId: '1.2.840.113549.1.9.21',
  sha256: '2.16.840.1.101.3.4.2.1',
} as const

const macIterations = 100_000

export interface Pkcs12Contents {
  readonly key: KeyObject
  /** The key's own first. */
  readonly certificates: readonly Certificate[]
  /** What programs show for it. */
  readonly friendlyName: string
}

/**
 * A PKCS #12 file: AES-256 and SHA-256 throughout, which OpenSSL 1.1, Java 8u301 and systems of their age read.
 *
 * @source RFC 7292. node-forge's own writer takes RSA keys only.
 */
export function pkcs12(contents: Pkcs12Contents, passphrase: string): Buffer {
  const [own, ...others] = contents.certificates
  const keyId = createHash('sha256').update(own!.der).digest()
  const attributes = der.set(
    attribute(oids.friendlyName, der.bmpString(contents.friendlyName)),
    attribute(oids.localKeyId, der.octetString(keyId)),
  )
  const bags = der.sequence(
    certificateBag(own!, [attributes]),
    ...others.map((certificate) => certificateBag(certificate, [])),
  )
  const { algorithm, encrypted } = encryptWithPassphrase(der.encode(bags), passphrase)
  const encryptedCertificates = der.sequence(
    der.oid(oids.encryptedData),
    der.explicit(
      0,
      der.sequence(der.smallInteger(0), der.sequence(der.oid(oids.data), algorithm, der.implicit(0, encrypted))),
    ),
  )
  const keyBag = der.sequence(
    der.oid(oids.shroudedKeyBag),
    der.explicit(0, encryptKey(contents.key.export({ type: 'pkcs8', format: 'der' }), passphrase)),
    attributes,
  )
  const safe = der.encode(der.sequence(encryptedCertificates, data(der.encode(der.sequence(keyBag)))))
  return der.encode(der.sequence(der.smallInteger(3), data(safe), macData(safe, passphrase)))
}

const data = (bytes: Uint8Array): der.Der => der.sequence(der.oid(oids.data), der.explicit(0, der.octetString(bytes)))

const attribute = (id: string, value: der.Der): der.Der => der.sequence(der.oid(id), der.set(value))

const certificateBag = (certificate: Certificate, attributes: der.Der[]): der.Der =>
  der.sequence(
    der.oid(oids.certificateBag),
    der.explicit(0, der.sequence(der.oid(oids.x509Certificate), der.explicit(0, der.octetString(certificate.der)))),
    ...attributes,
  )

function macData(safe: Uint8Array, passphrase: string): der.Der {
  const salt = randomBytes(16)
  const mac = createHmac('sha256', macKey(passphrase, salt, macIterations))
    .update(safe)
    .digest()
  return der.sequence(
    der.sequence(der.sequence(der.oid(oids.sha256), der.nothing()), der.octetString(mac)),
    der.octetString(salt),
    der.smallInteger(macIterations),
  )
}

/** Derives the key of the integrity check, with SHA-256. @source RFC 7292 appendix B.2, purpose 3; one round of output is enough. */
export function macKey(passphrase: string, salt: Uint8Array, iterations: number): Buffer {
  const block = 64
  const password = Buffer.from(`${passphrase}\0`, 'utf16le').swap16()
  let hash = createHash('sha256')
    .update(Buffer.alloc(block, 3))
    .update(stretched(salt, block))
    .update(stretched(password, block))
    .digest()
  for (let i = 1; i < iterations; i++) hash = createHash('sha256').update(hash).digest()
  return hash
}

/** Repeated to a whole number of blocks. */
const stretched = (bytes: Uint8Array, block: number): Buffer =>
  Buffer.alloc(Math.ceil(bytes.length / block) * block, bytes)
