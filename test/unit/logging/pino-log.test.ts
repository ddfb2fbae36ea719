import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EtcdError } from '../../../src/errors.ts'
import { createLog, type LogLevel, redactedFields } from '../../../src/logging/pino-log.ts'

function recorder(level: LogLevel = 'info') {
  const lines: string[] = []
  const log = createLog({ level, name: 'm1', destination: { write: (line) => lines.push(line) } })
  return { log, lines, last: () => JSON.parse(lines.at(-1)!) as Record<string, unknown> }
}

test('a line is one JSON object with level, ts, msg, name and the fields', () => {
  const { log, lines, last } = recorder()
  log.warn('slow disk', { tookMs: 12, member: 0xabcn })
  assert.match(lines[0]!, /^\{.*\}\n$/)
  const { ts, ...rest } = last()
  assert.ok(Math.abs(Date.parse(String(ts)) - Date.now()) < 60_000)
  assert.deepEqual(rest, { level: 'warn', name: 'm1', tookMs: 12, member: 'abc', msg: 'slow disk' })
})

test('levels below the chosen one are left out', () => {
  const { log, lines } = recorder('error')
  log.debug('a')
  log.info('b')
  log.warn('c', { n: 1 })
  log.error('d')
  log.fatal('e', { n: 1 })
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).msg),
    ['d', 'e'],
  )
})

for (const field of redactedFields) {
  test(`the value of a field named ${field} never reaches the log`, () => {
    const { log, lines } = recorder()
    log.info('x', { [field]: 'hunter2', nested: { [field]: 'hunter2' } })
    assert.ok(!lines[0]!.includes('hunter2'))
    assert.ok(lines[0]!.includes('[redacted]'))
  })
}

test('errors keep type, code, message, stack and cause', () => {
  const { log, last } = recorder()
  const cause = Object.assign(new Error('no such file'), { code: 'ENOENT' })
  log.error('failed', { error: new EtcdError('stopped', { cause }) })
  const error = last().error as Record<string, unknown>
  assert.equal(error.type, 'EtcdError')
  assert.equal(error.message, 'etcdserver: server stopped')
  assert.match(String(error.stack), /pino-log\.test/)
  assert.equal((error.cause as Record<string, unknown>).code, 'ENOENT')
})

test('bytes are shown by their length only', () => {
  const { log, last } = recorder()
  log.info('x', { key: new Uint8Array(3) })
  assert.equal(last().key, '[3 bytes]')
})
