/**
 * What is authorised is what is executed and watched: for ends of one NUL, no end, inverted ranges, prefixes and keys of
 * 0xff. What the fields of a request mean is said here once more, as plainly as can be, over all keys of up to three bytes.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { prefixEnd } from '../../../src/base/bytes.ts'
import { silentLog } from '../../../src/base/log.ts'
import { EtcdError } from '../../../src/errors.ts'
import { joinedAnswer } from '../../../src/service/answer.ts'
import { deleteRange, range } from '../../../src/service/kv.ts'
import { createWatchService } from '../../../src/service/watch.ts'
import { type Permission, Permission_Type } from '../../../src/wire/gen/auth.ts'
import {
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  RangeRequest,
  RangeResponse,
  WatchCreateRequest,
} from '../../../src/wire/gen/rpc.ts'
import { AuthMember } from '../../support/auth-member.ts'
import { addRole, addUser, enable, grantRole, memberCaller, withRoot } from '../../support/auth-tables.ts'
import { deleteRequest, putRequest, rangeRequest } from '../../support/commands.ts'
import { fakeCall, noCredentials } from '../../support/fake-call.ts'
import { FakeStream, ManualTimers } from './watch-harness.ts'

interface WireRange {
  readonly key: Uint8Array
  readonly range_end: Uint8Array
}

const letters = [0, 1, 0x61, 0x62, 0xff]
/** And those to which a prefix of the others ends: 0x02 and 0x63 are nobody's keys, but somebody may ask for them. */
const lettersAndEnds = [0, 1, 2, 0x61, 0x62, 0x63, 0xff]
const longer = (keys: readonly Uint8Array[], by: readonly number[]): Uint8Array[] =>
  keys.flatMap((key) => by.map((letter) => Uint8Array.of(...key, letter)))
const none = [new Uint8Array(0)]
/** Keys that are there, that are asked for and to which rights begin and end. */
const stored = [...longer(none, letters), ...longer(longer(none, letters), letters)]
const one = longer(none, lettersAndEnds)
const two = longer(one, lettersAndEnds)
/** Wherever one of those ranges ends, the next key is in here. */
const universe = [...one, ...two, ...longer(two, lettersAndEnds)]

/** @source etcd's documentation of range_end. */
function contains({ key, range_end }: WireRange, asked: Uint8Array): boolean {
  if (range_end.length === 0) return Buffer.compare(key, asked) === 0
  if (Buffer.compare(key, asked) > 0) return false
  return (range_end.length === 1 && range_end[0] === 0) || Buffer.compare(asked, range_end) < 0
}
const hex = (keys: readonly Uint8Array[]): string[] => keys.map((key) => Buffer.from(key).toString('hex')).sort()
const storedIn = (wire: WireRange): string[] => hex(stored.filter((key) => contains(wire, key)))

const someKey = fc.constantFrom(...stored)
const wireRanges: fc.Arbitrary<WireRange> = fc
  .tuple(someKey, fc.constantFrom('point', 'from', 'prefix', 'range', 'range'), someKey)
  .map(([key, shape, end]) => {
    if (shape === 'prefix') return { key, range_end: prefixEnd(key) ?? Uint8Array.of(0) }
    return { key, range_end: shape === 'point' ? new Uint8Array(0) : shape === 'from' ? Uint8Array.of(0) : end }
  })
const permissions: fc.Arbitrary<Permission[]> = fc.array(
  fc
    .tuple(wireRanges, fc.constantFrom(Permission_Type.READ, Permission_Type.WRITE, Permission_Type.READWRITE))
    .map(([wire, permType]) => ({ ...wire, permType })),
  { maxLength: 5 },
)

/** @returns the permissions that are in force: inverted ones are refused, a later one takes the place of its like. */
async function grantAll(member: AuthMember, asked: readonly Permission[]): Promise<Permission[]> {
  const granted = new Map<string, Permission>()
  for (const permission of asked) {
    try {
      await member.change({ $case: 'grant_permission', value: { role: 'ann', permission } })
      granted.set(
        hex([permission.key])
          .concat('to', hex([permission.range_end]))
          .join(),
        permission,
      )
    } catch {
      assert.ok(!universe.some((key) => contains(permission, key)), 'only what has no keys is refused')
    }
  }
  return [...granted.values()]
}

const call = fakeCall({ ...noCredentials, certificateName: 'ann' })
/** Null: refused. */
async function unlessDenied<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof EtcdError && error.reason === 'permissionDenied') return null
    throw error
  }
}

const putAll = async (member: AuthMember): Promise<void> => {
  for (const key of stored) await member.propose('put', PutRequest.encode(putRequest({ key })).finish(), memberCaller)
}

async function read(member: AuthMember, wire: WireRange): Promise<string[] | null> {
  const request = RangeRequest.encode(rangeRequest({ ...wire, serializable: true })).finish()
  const answer = await unlessDenied(async () => joinedAnswer(await range(member, request, call)))
  return answer && hex(RangeResponse.decode(answer).kvs.map(({ key }) => key))
}

async function erase(member: AuthMember, wire: WireRange): Promise<string[] | null> {
  const request = DeleteRangeRequest.encode(deleteRequest({ ...wire })).finish()
  const before = await everything(member)
  const answer = await unlessDenied(() => deleteRange(member, request, call))
  const left = new Set(await everything(member))
  if (answer === null) {
    assert.equal(left.size, before.length, 'what is refused has no effect')
    return null
  }
  const gone = before.filter((key) => !left.has(key))
  assert.equal(Number(DeleteRangeResponse.decode(answer).deleted), gone.length)
  return gone
}

async function everything(member: AuthMember): Promise<string[]> {
  const all = { key: Uint8Array.of(0), range_end: Uint8Array.of(0) }
  const request = RangeRequest.encode(rangeRequest({ ...all, serializable: true })).finish()
  const answer = await range(member, request, fakeCall({ ...noCredentials, certificateName: 'root' }))
  return hex(RangeResponse.decode(joinedAnswer(answer)).kvs.map(({ key }) => key))
}

async function watch(member: AuthMember, wire: WireRange): Promise<string[] | null> {
  const timers = new ManualTimers()
  const service = createWatchService(member, { log: silentLog, timers })
  const stream = new FakeStream()
  try {
    service.serve(stream, call)
    const value = { ...WatchCreateRequest.decode(new Uint8Array(0)), ...wire }
    stream.send({ $case: 'create_request', value })
    await putAll(member)
    timers.settle()
    const responses = stream.take()
    const seen = responses.flatMap(({ events }) => events.map(({ kv }) => kv!.key))
    const refusal = responses.find(({ canceled }) => canceled)?.cancel_reason
    if (refusal === undefined) return hex(seen)
    assert.deepEqual(seen, [])
    assert.match(refusal, /permission denied/)
    return null
  } finally {
    service.close()
  }
}

for (const { what, ask, kind } of [
  { what: 'read', ask: read, kind: Permission_Type.READ },
  { what: 'watched', ask: watch, kind: Permission_Type.READ },
  { what: 'deleted', ask: erase, kind: Permission_Type.WRITE },
])
  test(`what may be ${what} is what is ${what}, and nothing less may be`, async () => {
    const seen = { allowed: 0, refused: 0 }
    await fc.assert(
      fc.asyncProperty(permissions, wireRanges, async (asked, wire) => {
        const member = new AuthMember()
        await member.change(...withRoot, addUser('ann'), addRole('ann'), grantRole('ann', 'ann'), enable)
        await putAll(member)
        const granted = (await grantAll(member, asked)).filter(
          ({ permType }) => permType === kind || permType === Permission_Type.READWRITE,
        )
        const wanted = universe.filter((key) => contains(wire, key))
        const mayAll = wanted.every((key) => granted.some((permission) => contains(permission, key)))
        const got = await ask(member, wire)
        if (wanted.length === 0 || !mayAll) assert.equal(got, null)
        else assert.deepEqual(got, storedIn(wire))
        seen[got === null ? 'refused' : 'allowed']++
      }),
      { numRuns: 200 },
    )
    assert.ok(seen.allowed > 0 && seen.refused > 0, JSON.stringify(seen))
  })
