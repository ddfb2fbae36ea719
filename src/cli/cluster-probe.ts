import { readFileSync } from 'node:fs'
import { Client, credentials, type ServiceError } from '@grpc/grpc-js'
import { formatId } from '../base/ids.ts'
import { RangeRequest, RangeResponse, StatusRequest, StatusResponse } from '../wire/gen/rpc.ts'

export interface ClientFiles {
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
}

export interface ProbedMember {
  readonly id: string
  readonly version: string
  readonly isLeader: boolean
}

const callDeadlineMs = 2000

interface Codec<T> {
  encode(message: T): { finish(): Uint8Array }
  decode(bytes: Uint8Array): T
}

/**
 * Asks one member, whose certificate must be valid for localhost, what a client would ask it: its status, and a linearizable read, which takes a leader and a majority.
 *
 * @throws Error if it cannot be reached, does not trust us, or has no leader.
 */
export async function probe(url: string, files: ClientFiles): Promise<ProbedMember> {
  const client = new Client(
    new URL(url).host,
    credentials.createSsl(readFileSync(files.caFile), readFileSync(files.keyFile), readFileSync(files.certFile)),
    // Node refuses an IP address as the TLS server name that grpc-js makes of the target.
    { 'grpc.ssl_target_name_override': 'localhost' },
  )
  try {
    const status = await call(client, '/etcdserverpb.Maintenance/Status', StatusRequest, {}, StatusResponse)
    if (status.leader === 0n) throw new Error('there is no leader')
    const read = { ...RangeRequest.decode(new Uint8Array(0)), key: Buffer.from('health') }
    await call(client, '/etcdserverpb.KV/Range', RangeRequest, read, RangeResponse)
    const id = status.header?.member_id ?? 0n
    return { id: formatId(id), version: status.version, isLeader: id === status.leader }
  } finally {
    client.close()
  }
}

function call<Request, Response>(
  client: Client,
  path: string,
  requestCodec: Codec<Request>,
  request: Request,
  responseCodec: Codec<Response>,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      (message: Request) => Buffer.from(requestCodec.encode(message).finish()),
      (bytes: Buffer) => responseCodec.decode(bytes),
      request,
      { deadline: Date.now() + callDeadlineMs },
      (error: ServiceError | null, response?: Response) => {
        if (error !== null) reject(new Error(error.details || error.message, { cause: error }))
        else if (response === undefined) reject(new Error('empty answer'))
        else resolve(response)
      },
    )
  })
}
