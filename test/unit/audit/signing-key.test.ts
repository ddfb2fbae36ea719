import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isSignedBy, openSigningKey, verificationKeys } from '../../../src/audit/signing-key.ts'

const dir = mkdtempSync(join(tmpdir(), 'leasehold-audit-key-'))
after(() => rmSync(dir, { recursive: true }))
const file = join(dir, 'audit-key.pem')
const hash = 'ab'.repeat(32)

test('the key is made once, for its owner alone, and signs for who has the public one', () => {
  const key = openSigningKey(file)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(openSigningKey(file).fingerprint, key.fingerprint)
  const publicKey = verificationKeys([key.publicPem]).get(key.fingerprint)!
  assert.ok(isSignedBy(publicKey, hash, key.sign(hash)))
  assert.ok(!isSignedBy(publicKey, 'cd'.repeat(32), key.sign(hash)))
})

test('a key that others may read, or that is none, is refused with its name', () => {
  chmodSync(file, 0o640)
  assert.throws(() => openSigningKey(file), /audit-key\.pem: may be read by others/)
  const other = join(dir, 'other.pem')
  writeFileSync(other, 'nothing', { mode: 0o600 })
  assert.throws(() => openSigningKey(other), /other\.pem: is no private key in PEM/)
  assert.throws(() => openSigningKey(join(dir, 'missing', 'key.pem')), /ENOENT/)
})
