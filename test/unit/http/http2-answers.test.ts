import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { textAnswer } from '../../../src/http/answer.ts'
import { http2Answers } from '../../../src/http/http2-answers.ts'

test('one text that many ask for and do not read takes the memory of one', async () => {
  const server = createServer({ maxSessionMemory: 1000 })
  const answer = textAnswer('x'.repeat(1024 * 1024))
  const begin = http2Answers(async () => answer)
  server.on('stream', (stream: ServerHttp2Stream, headers) =>
    begin(
      stream.on('error', () => {}),
      headers,
    ),
  )
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { maxSessionMemory: 1000 })
  try {
    const before = process.memoryUsage().arrayBuffers
    const asked = Array.from({ length: 400 }, () => session.request({ ':path': '/metrics' }).on('error', () => {}))
    await Promise.all(asked.map((stream) => once(stream, 'response')))
    assert.ok(process.memoryUsage().arrayBuffers - before < 100 * 1024 * 1024)
  } finally {
    session.destroy()
    server.close()
  }
})
