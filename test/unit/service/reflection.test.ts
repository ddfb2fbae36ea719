import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import { Code } from '../../../src/errors.ts'
import { methodNames } from '../../../src/grpc/method.ts'
import { reflect } from '../../../src/service/reflection.ts'
import { ServerReflectionRequest, ServerReflectionResponse } from '../../../src/wire/gen/reflection.ts'
import { FakeStream } from '../../support/fake-stream.ts'

type Question = ServerReflectionRequest['message_request']

function conversation() {
  const stream = new FakeStream()
  const errors: unknown[] = []
  reflect(['etcdserverpb.KV', 'grpc.health.v1.Health'], stream, (error) => errors.push(error))
  return {
    stream,
    errors,
    ask(message_request: Question): ServerReflectionResponse['message_response'] {
      stream.send(ServerReflectionRequest.encode({ host: 'h', message_request }).finish())
      const response = ServerReflectionResponse.decode(stream.written.at(-1)!)
      assert.equal(response.valid_host, 'h')
      assert.deepEqual(response.original_request?.message_request, message_request)
      return response.message_response
    },
  }
}

function filesOf(answer: ServerReflectionResponse['message_response']) {
  assert.equal(answer?.$case, 'file_descriptor_response')
  return answer.value.file_descriptor_proto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes))
}

test('the services are those that are served', () => {
  assert.deepEqual(conversation().ask({ $case: 'list_services', value: '*' }), {
    $case: 'list_services_response',
    value: { service: [{ name: 'etcdserverpb.KV' }, { name: 'grpc.health.v1.Health' }] },
  })
})

test('every method of every service is found, with all files that its types need', () => {
  const { ask } = conversation()
  for (const [service, names] of Object.entries(methodNames)) {
    for (const symbol of [service, ...names.map((name) => `${service}.${name}`)]) {
      const files = filesOf(ask({ $case: 'file_containing_symbol', value: symbol }))
      const file = files[0]!
      const found = file.service.find(({ name }) => `${file.package}.${name}` === service)
      assert.deepEqual(found?.method.map(({ name }) => name).sort(), [...names].sort(), symbol)
      const present = new Set(files.map(({ name }) => name))
      for (const each of files) for (const needed of each.dependency) assert.ok(present.has(needed), needed)
    }
  }
})

for (const symbol of [
  'etcdserverpb.RangeRequest',
  'etcdserverpb.RangeRequest.key',
  'etcdserverpb.RangeRequest.SortOrder',
  'etcdserverpb.RangeRequest.ASCEND',
  'mvccpb.KeyValue',
]) {
  test(`a file can be asked for by ${symbol}, and by its own name`, () => {
    const { ask } = conversation()
    const bySymbol = ask({ $case: 'file_containing_symbol', value: symbol })
    const { name } = filesOf(bySymbol)[0]!
    assert.deepEqual(ask({ $case: 'file_by_filename', value: name }), bySymbol)
  })
}

for (const question of [
  { $case: 'file_by_filename', value: '../../etc/passwd' },
  { $case: 'file_by_filename', value: 'internal.proto' },
  { $case: 'file_containing_symbol', value: '__proto__' },
  { $case: 'file_containing_symbol', value: '' },
  { $case: 'all_extension_numbers_of_type', value: 'none' },
  { $case: 'file_containing_extension', value: { containing_type: 'mvccpb.KeyValue', extension_number: 1 } },
] as const satisfies Question[]) {
  test(`not found: ${question.$case} ${JSON.stringify(question.value)}`, () => {
    const answer = conversation().ask(question)
    assert.equal(answer?.$case, 'error_response')
    assert.equal(answer.value.error_code, Code.NotFound)
  })
}

test('a type has no extensions', () => {
  assert.deepEqual(conversation().ask({ $case: 'all_extension_numbers_of_type', value: 'mvccpb.KeyValue' }), {
    $case: 'all_extension_numbers_response',
    value: { base_type_name: 'mvccpb.KeyValue', extension_number: [] },
  })
})

test('no question and no message end the stream; a client that does not read is not asked on', () => {
  for (const bytes of [
    ServerReflectionRequest.encode({ host: '', message_request: undefined }).finish(),
    Buffer.of(7),
  ]) {
    const { stream, errors } = conversation()
    stream.send(bytes)
    assert.equal((errors[0] as Error).name, 'StatusError')
  }
  const { stream, ask } = conversation()
  stream.writable = false
  ask({ $case: 'list_services', value: '' })
  assert.equal(stream.paused, true)
})
