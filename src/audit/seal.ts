import { createHash } from 'node:crypto'

/**
 * The lines that hold a trail together. A trail is a row of files of JSON lines. Each file begins with a begin line; a seal
 * line comes after every block of lines, and its hash is made of the hash before, the bytes of the block and the seal's own
 * fields. Some seals are checkpoints: their hash is signed. All of both kinds of lines has one way of being written only.
 */

/** Of the first seal of a trail there is no hash before. */
export const noHash = '0'.repeat(64)

/** Why no more lines follow in this file, or in this run of the member; empty: they do. */
export type SealEnd = '' | 'file' | 'stop'

export interface Begin {
  /** Random; the same in all files of a trail. */
  readonly trail: string
  /** From 1, without gaps. */
  readonly file: number
  /** The oldest file that is kept from now on. */
  readonly oldest: number
  /** Hash of the last seal before. */
  readonly previous: string
  /** Seals and records in the files before. */
  readonly seals: number
  readonly records: number
  /** In hex. */
  readonly member: string
  readonly time: string
}

export interface Seal {
  /** From 1, over all files. */
  readonly seal: number
  /** That it covers: those since the last seal of the file. */
  readonly lines: number
  /** In the trail so far, without begin and seal lines. */
  readonly records: number
  readonly time: string
  readonly end: SealEnd
  /** Fingerprint of the key that it is signed with; null: it is no checkpoint. */
  readonly key: string | null
  /** SHA-256, in hex. */
  readonly hash: string
  /** Ed25519, in base64; null: it is no checkpoint. */
  readonly signature: string | null
}

export const beginPrefix = '{"kind":"begin",'
export const sealPrefix = '{"kind":"seal",'

export const beginLine = ({ trail, file, oldest, previous, seals, records, member, time }: Begin): string =>
  `${beginPrefix}"trail":"${trail}","file":${file},"oldest":${oldest},"previous":"${previous}","seals":${seals},"records":${records},"member":"${member}","time":"${time}"}\n`

/** The part of a seal line that its hash covers. */
export const sealHead = ({ seal, lines, records, time, end, key }: Omit<Seal, 'hash' | 'signature'>): string =>
  `${sealPrefix}"seal":${seal},"lines":${lines},"records":${records},"time":"${time}"${end === '' ? '' : `,"end":"${end}"`}${key === null ? '' : `,"key":"${key}"`}`

export const sealLine = (seal: Seal): string =>
  `${sealHead(seal)},"hash":"${seal.hash}"${seal.signature === null ? '' : `,"signature":"${seal.signature}"`}}\n`

/** @param block the bytes of all lines that the seal covers, in pieces. */
export function sealHash(previous: string, block: readonly Uint8Array[], head: string): string {
  const hash = createHash('sha256').update(Buffer.from(previous, 'hex'))
  for (const piece of block) hash.update(piece)
  return hash.update(head).digest('hex')
}

/**
 * No seal without a signature comes so long after the first one behind a checkpoint, by the times of both: whoever writes a trail
 * signs that one, whatever has become of its clock. A checkpoint may come at any time: the member may have been down.
 */
export const unsignedMsMax = 60_000

/** What a checkpoint's signature is over: nothing else that the key may ever sign looks like it. */
export const signedMessage = (hash: string): Buffer => Buffer.from(`leasehold audit checkpoint\n${hash}\n`)

const number = '(0|[1-9][0-9]{0,15})'
const hex = '([0-9a-f]{64})'
const isoTime = '([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{12}Z)'
const beginForm = new RegExp(
  `^\\{"kind":"begin","trail":"([0-9a-f-]{36})","file":${number},"oldest":${number},"previous":"${hex}","seals":${number},"records":${number},"member":"([0-9a-f]{1,16})","time":"${isoTime}"\\}\n$`,
)
const sealForm = new RegExp(
  `^\\{"kind":"seal","seal":${number},"lines":${number},"records":${number},"time":"${isoTime}"(?:,"end":"(file|stop)")?(?:,"key":"${hex}")?,"hash":"${hex}"(?:,"signature":"([A-Za-z0-9+/]{86}==)")?\\}\n$`,
)

/** @returns null for anything but a begin line as it is written here, with its newline. */
export function parseBegin(line: string): Begin | null {
  const match = beginForm.exec(line)
  if (match === null) return null
  const [, trail, file, oldest, previous, seals, records, member, time] = match as unknown as string[]
  return {
    trail: trail!,
    file: Number(file),
    oldest: Number(oldest),
    previous: previous!,
    seals: Number(seals),
    records: Number(records),
    member: member!,
    time: time!,
  }
}

/** @returns null for anything but a seal line as it is written here, with its newline. */
export function parseSeal(line: string): Seal | null {
  const match = sealForm.exec(line)
  if (match === null) return null
  const [, seal, lines, records, time, end, key, hash, signature] = match
  if ((key === undefined) !== (signature === undefined)) return null
  // The last letter of a signature has bits that stand for nothing.
  if (signature !== undefined && Buffer.from(signature, 'base64').toString('base64') !== signature) return null
  return {
    seal: Number(seal),
    lines: Number(lines),
    records: Number(records),
    time: time!,
    end: (end ?? '') as SealEnd,
    key: key ?? null,
    hash: hash!,
    signature: signature ?? null,
  }
}

export const fileName = (file: number): string => `audit-${String(file).padStart(8, '0')}.jsonl`

/** @returns null for the name of another file. */
export function fileNumber(name: string): number | null {
  const match = /^audit-([0-9]{8,15})\.jsonl$/.exec(name)
  const file = Number(match?.[1] ?? 0)
  return file > 0 && fileName(file) === name ? file : null
}
