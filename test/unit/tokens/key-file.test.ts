import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { limits } from '../../../src/base/limits.ts'
import {
  addKey,
  generatedAlgorithms,
  makeSigningKey,
  publicKeysOf,
  readKeys,
  retireKey,
} from '../../../src/tokens/key-file.ts'
import { readSigningKey } from '../../../src/tokens/signing-key.ts'
import { TokenKeyError } from '../../../src/tokens/token-key-error.ts'
import { leasehold, run } from '../../support/run.ts'
import { makeKey, pemOf, setText } from '../../support/token-keys.ts'

const dir = mkdtempSync(join(tmpdir(), 'leasehold-key-file-'))
after(() => rmSync(dir, { recursive: true }))
const at = (name: string): string => join(dir, name)

for (const algorithm of generatedAlgorithms)
  test(`a key for ${algorithm} is made for its owner only, and never in place of another`, async () => {
    const file = at(`${algorithm}.key`)
    const made = await makeSigningKey(file, algorithm)
    assert.equal(made.algorithm, algorithm)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    const text = readFileSync(file, 'utf8')
    await assert.rejects(makeSigningKey(file, algorithm), /not overwritten/)
    assert.equal(readFileSync(file, 'utf8'), text)
    assert.deepEqual(
      readdirSync(dir).filter((name) => name.startsWith('.')),
      [],
    )
  })

test('keys are added once, listed, and taken out but for the last one', async () => {
  const file = at('keys.json')
  const [first, second] = [await makeKey(), await makeKey('ES256')]
  assert.equal((await readKeys(file)).size, 0)
  assert.equal(await addKey(file, first.verification), 'added')
  assert.equal(await addKey(file, first.verification), 'there already')
  assert.equal(await addKey(file, second.verification), 'added')
  assert.deepEqual([...(await readKeys(file)).keys()], [first.verification.id, second.verification.id])
  assert.ok(!readFileSync(file, 'utf8').includes('"d"'))
  const impostor = await makeKey('EdDSA', first.verification.id)
  await assert.rejects(addKey(file, impostor.verification), /another key has the kid/)
  await retireKey(file, first.verification.id)
  await assert.rejects(retireKey(file, first.verification.id), /there is no key/)
  await assert.rejects(retireKey(file, second.verification.id), /the last one/)
  assert.deepEqual([...(await readKeys(file)).keys()], [second.verification.id])
})

test('of keys that several commands add at once none is lost', { timeout: 60_000 }, async () => {
  const file = at('busy.json')
  const add = (key: string) => run(leasehold, ['token', 'keys', 'new', '--signing-key', at(key), '--keys', file])
  const results = await Promise.all(['busy-1', 'busy-2', 'busy-3', 'busy-4'].map(add))
  assert.deepEqual(
    results.map(({ code, stderr }) => ({ code, stderr })),
    results.map(() => ({ code: 0, stderr: '' })),
  )
  assert.equal((await readKeys(file)).size, 4)
})

test('a file of keys is replaced where it is, for those who could read it', async () => {
  const file = at('linked.json')
  await addKey(at('target.json'), (await makeKey()).verification)
  chmodSync(at('target.json'), 0o640)
  symlinkSync('target.json', file)
  await addKey(file, (await makeKey()).verification)
  assert.ok(lstatSync(file).isSymbolicLink())
  assert.equal((await readKeys(at('target.json'))).size, 2)
  assert.equal(statSync(file).mode & 0o777, 0o640)
})

test('a file of keys stays that of its owner and group', {
  skip: process.geteuid?.() !== 0 && 'only root can be others',
}, async () => {
  const [owner, member, other] = [1234, 2345, 3456]
  const folder = at('shared')
  mkdirSync(folder)
  const file = join(folder, 'keys.json')
  await addKey(file, (await makeKey()).verification)
  chmodSync(file, 0o640)
  for (const path of [dir, folder]) chownSync(path, owner, owner)
  const addAs = async (user: number): Promise<void> => {
    const key = await makeKey()
    const groups = process.getgroups!()
    process.setgroups!([user, member])
    process.setegid!(user)
    process.seteuid!(user)
    try {
      await addKey(file, key.verification)
    } finally {
      process.seteuid!(0)
      process.setegid!(0)
      process.setgroups!(groups)
    }
  }
  const stays = (): void => {
    const { uid, gid, mode } = statSync(file)
    assert.deepEqual([uid, gid, mode & 0o777], [owner, member, 0o640])
  }
  chownSync(file, owner, member)
  chownSync(`${file}.lock`, owner, owner)
  await addAs(owner)
  stays()
  // Somebody else who may write the folder: it would be theirs.
  chownSync(`${file}.lock`, other, other)
  chmodSync(dir, 0o755)
  chmodSync(folder, 0o777)
  await assert.rejects(addAs(other), { message: `${file}: EPERM` })
  stays()
  await addKey(file, (await makeKey()).verification)
  stays()
  assert.deepEqual(readdirSync(folder).sort(), ['keys.json', 'keys.json.lock'])
})

test('keys are read from files alone, and not without end', { timeout: 60_000 }, async () => {
  execFileSync('mkfifo', ['-m', '600', at('pipe')])
  const endless = at('endless')
  symlinkSync('/dev/zero', endless)
  const long = at('long.json')
  writeFileSync(long, ' '.repeat(limits.tokenKeysBytesMax + 1), { mode: 0o600 })
  await assert.rejects(readKeys(at('pipe')), { message: `${at('pipe')}: is no regular file` })
  await assert.rejects(readSigningKey(at('pipe')), { message: `${at('pipe')}: is no regular file` })
  await assert.rejects(readKeys(endless), TokenKeyError)
  await assert.rejects(readKeys(dir), { message: `${dir}: is no regular file` })
  await assert.rejects(readKeys(long), /has more than 262144 bytes/)
  await assert.rejects(readSigningKey(long), /has more than 262144 bytes/)
})

test('keys that others may write are not taken', async () => {
  const file = at('shared.json')
  await addKey(file, (await makeKey()).verification)
  for (const mode of [0o664, 0o646, 0o622]) {
    chmodSync(file, mode)
    await assert.rejects(readKeys(file), /others may write it: chmod go-w/)
  }
  chmodSync(file, 0o644)
  assert.equal((await readKeys(file)).size, 1)
})

test('public keys come from whatever has them, and keep their ids', async () => {
  const key = await makeKey('ES256')
  const publicKey = createPublicKey(key.key)
  for (const [name, text] of [
    ['private.pem', pemOf(key)],
    ['public.pem', String(publicKey.export({ format: 'pem', type: 'spki' }))],
    ['private.jwk', JSON.stringify(key.key.export({ format: 'jwk' }))],
    ['public.jwk', JSON.stringify(publicKey.export({ format: 'jwk' }))],
    ['set.json', setText(key)],
  ] as const) {
    writeFileSync(at(name), text, { mode: 0o600 })
    const [read, ...others] = await publicKeysOf(at(name))
    assert.deepEqual([read!.id, others.length, Object.hasOwn(read!.jwk, 'd')], [key.verification.id, 0, false], name)
  }
})

test('what is no key is refused in one line that does not quote it', async () => {
  for (const text of [
    'secret',
    '{"kty":"OKP","crv":"Ed25519","x":"secret"}',
    '-----BEGIN PUBLIC KEY-----\nsecret',
    '{"keys":7}',
  ]) {
    writeFileSync(at('bad'), text)
    await assert.rejects(
      publicKeysOf(at('bad')),
      (error) => error instanceof TokenKeyError && !error.message.includes('secret') && !error.message.includes('\n'),
    )
  }
  await assert.rejects(publicKeysOf(at('missing')), /ENOENT/)
})
