import { readFileSync } from 'node:fs'
import { type IncomingMessage, type OutgoingHttpHeaders, request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import type { Identity } from './certificates.ts'

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface AskOptions {
  readonly method?: string
  readonly timeoutMs?: number
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string
}

/**
 * Asks once, on a connection of its own.
 *
 * @param identity for https; without `certFile` only who is trusted.
 */
export function ask(
  url: string,
  identity: Partial<Identity> = {},
  { method = 'GET', timeoutMs = 10_000, headers = {}, body = '' }: AskOptions = {},
): Promise<HttpAnswer> {
  const { caFile, certFile, keyFile } = identity
  const options = {
    method,
    headers,
    agent: false,
    timeout: timeoutMs,
    // Else a name that is asked for would have to be that of the certificate.
    ...(headers.host === undefined ? {} : { servername: 'localhost' }),
    ...(caFile === undefined ? {} : { ca: readFileSync(caFile) }),
    ...(certFile === undefined ? {} : { cert: readFileSync(certFile) }),
    ...(keyFile === undefined ? {} : { key: readFileSync(keyFile) }),
  }
  return new Promise((resolve, reject) => {
    const request = (url.startsWith('https:') ? requestTls : requestPlain)(url, options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      )
    })
    request.once('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    request.once('error', reject)
    request.end(body)
  })
}

/** A scrape's lines by name and labels, as they stand there: `name{label="x"}`. */
export class Scrape {
  readonly #values: ReadonlyMap<string, number>
  readonly types: ReadonlyMap<string, string>

  /** @throws Error on a line that is no line of the text format, or that is there twice. */
  constructor(text: string) {
    const values = new Map<string, number>()
    const types = new Map<string, string>()
    for (const line of text.split('\n')) {
      if (line === '' || line.startsWith('# HELP ')) continue
      const type = /^# TYPE (\w+) (counter|gauge|histogram|summary)$/.exec(line)
      if (type !== null) {
        types.set(type[1]!, type[2]!)
        continue
      }
      const sample = /^(\w+(?:\{(?:\w+="(?:[^"\\]|\\.)*",?)*\})?) (\S+)$/.exec(line)
      if (sample === null) throw new Error(`no line of the text format: ${line}`)
      if (values.has(sample[1]!)) throw new Error(`there twice: ${line}`)
      values.set(sample[1]!, sample[2] === '+Inf' ? Number.POSITIVE_INFINITY : Number(sample[2]))
    }
    this.#values = values
    this.types = types
  }

  /** @throws Error if there is no such line. */
  value(name: string): number {
    const value = this.#values.get(name)
    if (value === undefined) throw new Error(`no ${name}`)
    return value
  }

  /** Values of all lines of one name, by their labels. */
  all(name: string): ReadonlyMap<string, number> {
    return new Map([...this.#values].filter(([line]) => line === name || line.startsWith(`${name}{`)))
  }

  get lines(): ReadonlyMap<string, number> {
    return this.#values
  }
}
