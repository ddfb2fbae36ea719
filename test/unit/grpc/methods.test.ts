import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { silentLog } from '../../../src/base/log.ts'
import { methodNames, methodPaths } from '../../../src/grpc/method.ts'
import { methodTable } from '../../../src/grpc/methods.ts'
import { createHealthService } from '../../../src/service/health.ts'
import { Login } from '../../../src/service/login.ts'
import { NewPasswords } from '../../../src/service/new-passwords.ts'
import { FakeMember } from '../../support/fake-member.ts'
import { PlainPasswords } from '../../support/plain-passwords.ts'

/** `package.Service` -> its methods with their kinds, read from the .proto files as text. */
function servicesOfProto(file: string): Map<string, Map<string, string>> {
  const text = readFileSync(new URL(`../../../src/wire/proto/${file}`, import.meta.url), 'utf8')
  const packageName = /^package ([\w.]+);/m.exec(text)![1]!
  const services = new Map<string, Map<string, string>>()
  for (const [, service, body] of text.matchAll(/^service (\w+) \{([\s\S]*?)^\}/gm)) {
    const methods = new Map<string, string>()
    for (const [, name, client, server] of body!.matchAll(
      /rpc (\w+)\s*\((stream )?[\w.]+\)\s*returns\s*\((stream )?[\w.]+\)/g,
    )) {
      methods.set(name!, client ? 'bidi' : server ? 'serverStream' : 'unary')
    }
    services.set(`${packageName}.${service}`, methods)
  }
  return services
}

const files = [
  ...['rpc.proto', 'lock.proto', 'election.proto', 'health.proto', 'leasehold.proto'],
  ...['reflection.proto', 'reflection_v1alpha.proto'],
]
const services = new Map(files.flatMap((file) => [...servicesOfProto(file)]))
const passwords = new PlainPasswords()
const table = methodTable({
  watch: { serve: () => {} },
  health: createHealthService(new FakeMember(), []),
  login: new Login(passwords, silentLog),
  passwords: new NewPasswords(passwords, 1, silentLog),
  reflection: true,
})

test('the names are those of the .proto files, no more and no less', () => {
  const fromProto = Object.fromEntries([...services].map(([service, methods]) => [service, [...methods.keys()].sort()]))
  const ours = Object.fromEntries(Object.entries(methodNames).map(([service, names]) => [service, [...names].sort()]))
  assert.deepEqual(ours, fromProto)
})

test('each method that is built has the kind that the .proto gives it, and labels are unique', () => {
  const labels = new Set<string>()
  let built = 0
  for (const [path, method] of methodPaths(table)) {
    const [, service, name] = path.split('/')
    const kind = services.get(service!)?.get(name!)
    assert.ok(kind, path)
    if (method.kind !== 'notBuilt') {
      assert.equal(method.kind, kind, path)
      built++
    }
    labels.add(method.label)
  }
  assert.equal(labels.size, [...methodPaths(table)].length)
  assert.ok(built >= 15)
})
