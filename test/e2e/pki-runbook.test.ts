import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { leasehold, projectRoot, run } from '../support/run.ts'

const dir = mkdtempSync(join(tmpdir(), 'leasehold-runbook-'))
after(() => rmSync(dir, { recursive: true, force: true }))

test('every command of the runbook works, in its order', async () => {
  const text = readFileSync(join(projectRoot, 'pki', 'README.md'), 'utf8')
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1]!)
  assert.ok(blocks.length >= 9)
  for (const block of blocks) {
    const { code, stderr } = await run('sh', ['-euc', block], {
      cwd: dir,
      env: { PATH: `${dirname(leasehold)}:${process.env.PATH}` },
      timeoutMs: 100_000,
    })
    assert.equal(code, 0, `${block}\n${stderr}`)
  }
  const verify = (...args: string[]) => run('openssl', ['verify', '-x509_strict', ...args], { cwd: dir })
  const good = ['certs/clients/m1.crt', 'certs/clients/app-2.crt', 'certs/clients/alice.crt']
  const { stdout } = await verify('-crl_check', '-CAfile', 'clients/ca.crt', '-CRLfile', 'clients/crl.pem', ...good)
  assert.equal(stdout, good.map((file) => `${file}: OK\n`).join(''))
  for (const lost of ['certs/clients/app.crt', 'web/web.crt'])
    assert.notEqual((await verify('-CAfile', 'clients/ca.crt', lost)).code, 0)
  const batch = 'certs/batch/batch.crt'
  assert.equal((await verify('-CAfile', 'offline/ca.crt', '-untrusted', batch, batch)).code, 0)
})
