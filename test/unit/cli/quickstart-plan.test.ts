import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { planQuickstart } from '../../../src/cli/quickstart-plan.ts'
import { freePorts } from '../../support/ports.ts'

const scratch = mkdtempSync(join(tmpdir(), 'leasehold-plan-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

const freePort = async (): Promise<number> => (await freePorts(1))[0]!

test('a new cluster gets two ports for each member and a private folder', async () => {
  const dir = join(scratch, 'new')
  const basePort = await freePort()
  const plan = await planQuickstart({ dir, members: 2, basePort, serveThreads: 1 })
  assert.equal(plan.isNew, true)
  assert.deepEqual(
    plan.members.map(({ name, clientUrl, peerUrl }) => ({ name, clientUrl, peerUrl })),
    [
      { name: 'm1', clientUrl: `https://127.0.0.1:${basePort}`, peerUrl: `https://127.0.0.1:${basePort + 1}` },
      { name: 'm2', clientUrl: `https://127.0.0.1:${basePort + 2}`, peerUrl: `https://127.0.0.1:${basePort + 3}` },
    ],
  )
  assert.equal(statSync(dir).mode & 0o777, 0o700)
})

test('resuming keeps number and ports, and needs no options', async () => {
  const dir = join(scratch, 'resumed')
  const first = await planQuickstart({ dir, members: 1, basePort: await freePort(), serveThreads: 1 })
  const second = await planQuickstart({ dir, serveThreads: 1 })
  assert.equal(second.isNew, false)
  assert.deepEqual({ ...second, isNew: true }, first)
})

for (const { name, options, message } of [
  { name: 'no members', options: { members: 0 }, message: /--members must be from 1 to 7/ },
  { name: 'too many members', options: { members: 8 }, message: /--members must be from 1 to 7/ },
  { name: 'ports that do not fit', options: { basePort: 65531 }, message: /6 ports from there do not fit below 65535/ },
  { name: 'port 0', options: { basePort: 0 }, message: /do not fit/ },
])
  test(`refused: ${name}, and no folder is left behind`, async () => {
    const dir = join(scratch, 'refused')
    await assert.rejects(planQuickstart({ dir, serveThreads: 1, ...options }), message)
    assert.equal(statSync(dir, { throwIfNoEntry: false }), undefined)
  })

test('a folder of something else that others may read is refused', async () => {
  const dir = join(scratch, 'open')
  mkdirSync(dir)
  writeFileSync(join(dir, 'x'), '')
  chmodSync(dir, 0o755)
  await assert.rejects(planQuickstart({ dir, basePort: await freePort(), serveThreads: 1 }), /--dir: .* has mode 755/)
})

test('a cluster is not resumed in a folder that others may enter by now', async () => {
  const dir = join(scratch, 'opened')
  await planQuickstart({ dir, members: 1, basePort: await freePort(), serveThreads: 1 })
  chmodSync(dir, 0o755)
  await assert.rejects(planQuickstart({ dir, serveThreads: 1 }), /--dir: .* has mode 755/)
})

for (const { name, content, message } of [
  { name: 'no JSON', content: '{', message: /cannot be read; remove the folder to start afresh/ },
  { name: 'of another version', content: '{"format":2}', message: /made by another version of leasehold/ },
  { name: 'nonsense', content: '{"format":1,"members":"3","basePort":1}', message: /made by another version/ },
])
  test(`a folder whose description is ${name} is refused`, async () => {
    const dir = mkdtempSync(join(scratch, 'bad-'))
    writeFileSync(join(dir, 'quickstart.json'), content)
    await assert.rejects(planQuickstart({ dir, serveThreads: 1 }), message)
  })
