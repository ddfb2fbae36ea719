import { join } from 'node:path'
import { pem, revocationReasons } from '../x509/index.ts'
import { backdateMs, keyIdOf, type Signer } from './authority.ts'
import { type AuthorityFolder, crlFile, withAuthority } from './authority-folder.ts'
import { signRevocationList } from './certificate.ts'
import * as der from './der.ts'
import { authorityKeyIdentifier, crlNumber, reasonCode } from './extension.ts'
import type { RevokedEntry } from './index-entry.ts'
import { trustedGenerations } from './index-state.ts'
import type { AuthorityAccess } from './issue-leaf.ts'
import { replaceFile } from './private-files.ts'
import { checkDays } from './profile.ts'

const msPerDay = 24 * 60 * 60 * 1000
export const listDaysDefault = 30
const listDaysMax = 365
/** A certificate that has expired is refused anyway; its entry stays a while longer for clocks that go wrong. */
const keepExpiredMs = 30 * msPerDay

export interface PublishedList {
  readonly file: string
  readonly number: number
  readonly nextUpdate: Date
  /** Certificates in it, over all keys of the authority. */
  readonly revoked: number
}

export interface PublishOptions extends AuthorityAccess {
  /** Until the next one is due. */
  readonly listDays?: number | null
}

/** Makes a new revocation list, whether or not anything has changed. @throws PkiError */
export const publishRevocations = ({ dir, passphrase = null, listDays = null }: PublishOptions): PublishedList =>
  withAuthority(dir, passphrase, (folder) => publishRevocationLists(folder, listDays))

/**
 * Writes crl.pem: one list for each key of the authority that is trusted, all of the same number. The number is on record
 * before the list exists, so that none is used twice.
 */
export function publishRevocationLists(folder: AuthorityFolder, listDays: number | null = null): PublishedList {
  const days = listDays ?? listDaysDefault
  checkDays(days, listDaysMax)
  const nowMs = Date.now()
  const { state } = folder
  const number = state.crlNumber + 1
  const nextUpdate = new Date(Math.floor((nowMs + days * msPerDay) / 1000) * 1000)
  const revoked = [...state.revoked.values()].filter(
    ({ notAfter }) => notAfter === null || Date.parse(notAfter) > nowMs - keepExpiredMs,
  )
  const generations = trustedGenerations(state)
  const lists = generations.map((each) => {
    const own = revoked.filter(({ generation }) => generation === each.generation)
    return revocationListPem(folder.signer(each), own, number, nowMs, nextUpdate)
  })
  const at = new Date(nowMs).toISOString()
  folder.record(
    ...generations.map(({ generation }) => ({
      event: 'crl' as const,
      at,
      generation,
      number,
      nextUpdate: nextUpdate.toISOString(),
    })),
  )
  replaceFile(folder.dir, crlFile, lists.join(''))
  return { file: join(folder.dir, crlFile), number, nextUpdate, revoked: revoked.length }
}

function revocationListPem(
  signer: Signer,
  revoked: readonly RevokedEntry[],
  number: number,
  nowMs: number,
  nextUpdate: Date,
): string {
  const list = signRevocationList(
    {
      issuer: der.decode(signer.certificate.subject.der),
      thisUpdate: new Date(nowMs - backdateMs),
      nextUpdate,
      revoked: revoked.map(({ serial, at, reason }) => {
        const code = revocationReasons.indexOf(reason)
        // RFC 5280 section 5.3.1: no reason is written by leaving it out.
        return { serial: signedBytes(serial), at: new Date(at), extensions: code === 0 ? [] : [reasonCode(code)] }
      }),
      extensions: [authorityKeyIdentifier(keyIdOf(signer)), crlNumber(number)],
    },
    signer.key,
  )
  return pem('X509 CRL', list)
}

/** A positive integer's first bit is 0. */
function signedBytes(serial: string): Uint8Array {
  const bytes = Buffer.from(serial, 'hex')
  return bytes[0]! < 0x80 ? bytes : Buffer.concat([Buffer.of(0), bytes])
}
