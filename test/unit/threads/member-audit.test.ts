import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileName } from '../../../src/audit/seal.ts'
import { verificationKeys } from '../../../src/audit/signing-key.ts'
import { publicKeyFile, readTrailFolder } from '../../../src/audit/trail-folder.ts'
import { verifyTrail } from '../../../src/audit/verify.ts'
import { type Log, silentLog } from '../../../src/base/log.ts'
import { auditorOf, MemberAudit } from '../../../src/threads/member-audit.ts'

const dir = mkdtempSync(join(tmpdir(), 'leasehold-member-audit-'))
after(() => rmSync(dir, { recursive: true }))
const policyFile = join(dir, 'rules.yaml')
const trailDir = join(dir, 'audit')
const rules = (level: string): string => `version: 1\nrules: []\ndefault: ${level}\n`

const open = (log: Log = silentLog, mode: 'best-effort' | 'required' = 'best-effort'): Promise<MemberAudit> =>
  MemberAudit.open({
    config: {
      mode,
      dir: trailDir,
      policyFile,
      keyFile: join(dir, 'audit-key.pem'),
      fileBytesMax: 1024 * 1024,
      fileAgeMsMax: 3_600_000,
      filesMax: null,
    },
    member: 'abc',
    name: 'm1',
    version: '3.5.30',
    log,
    failed: (error) => assert.fail(error),
  })

const textOfTrail = (): string => readFileSync(join(trailDir, fileName(1)), 'utf8')
const verdict = () =>
  verifyTrail(readTrailFolder(trailDir), verificationKeys([readFileSync(join(trailDir, publicKeyFile))]))

test('rules that everyone may write are those of nobody', async () => {
  writeFileSync(policyFile, rules('none'))
  chmodSync(policyFile, 0o646)
  await assert.rejects(open(), { message: /rules\.yaml: can be written by everyone; run chmod o-w on it$/ })
  chmodSync(policyFile, 0o644)
})

test('records of a thread reach the trail, by rules that may change meanwhile', async () => {
  writeFileSync(policyFile, rules('none'))
  const errors: string[] = []
  const audit = await open({ ...silentLog, error: (message) => errors.push(message) })
  const auditor = auditorOf(audit.connect())
  audit.onPolicy((policy) => auditor.usePolicy(policy))
  const call = (name: string): void => auditor.begin(auditor.method(name, false), ',"peer":"x"').ended(0)
  call('a/Before')
  writeFileSync(policyFile, 'version: 1\n')
  audit.reload()
  assert.equal(errors.length, 1)
  call('a/Before')
  writeFileSync(policyFile, rules('keys'))
  chmodSync(policyFile, 0o646)
  audit.reload()
  assert.equal(errors.length, 2)
  call('a/Before')
  chmodSync(policyFile, 0o644)
  audit.reload()
  call('a/After')
  auditor.flush()
  await audit.close()
  const text = textOfTrail()
  assert.doesNotMatch(text, /Before/)
  assert.match(text, /"kind":"policy","time":"[^"]+","policy":"[0-9a-f]{64}"/)
  assert.match(text, /"member":"abc","request":"[0-9a-f]{10}-4","peer":"x","method":"a\/After"/)
  assert.equal(audit.counts.counted('records'), 3)
  assert.equal(audit.counts.counted('lost'), 0)
  assert.equal(audit.counts.queuedBytes(), 0)
  assert.deepEqual([verdict().damage, verdict().isEnded], [null, true])
  assert.equal(statSync(trailDir).mode & 0o777, 0o700)
})

test('where it is required a decision is on disk before a change goes on, and the next run goes on with the trail', async () => {
  const audit = await open(silentLog, 'required')
  const auditor = auditorOf(audit.connect())
  const call = auditor.begin(auditor.method('a/Change', false), '')
  assert.equal(await call.persisted(), true)
  assert.match(textOfTrail(), /"kind":"decision",.*"method":"a\/Change"/)
  await audit.close()
  assert.equal(verdict().damage, null)
  assert.equal(verdict().files, 1)
})

test('rules that change while the trail is opened are in use', async () => {
  writeFileSync(policyFile, rules('none'))
  const opening = open()
  writeFileSync(policyFile, rules('keys'))
  const audit = await opening
  const auditor = auditorOf(audit.connect())
  auditor.begin(auditor.method('a/Meanwhile', false), '').ended(0)
  auditor.flush()
  await audit.close()
  assert.match(textOfTrail(), /"method":"a\/Meanwhile"/)
})

test('what cannot be used is refused with its name before anything is served', async () => {
  writeFileSync(policyFile, 'version: 1\nrules: []\ndefault: all\n')
  await assert.rejects(open(), /the rules of the audit trail, .*rules\.yaml: line 3, column 1: default: /)
  writeFileSync(policyFile, rules('keys'))
  writeFileSync(join(dir, 'audit-key.pem'), 'nothing')
  await assert.rejects(open(), /the key of the audit trail, .*audit-key\.pem: is no private key in PEM/)
})
