import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { type Log, silentLog } from '../../../src/base/log.ts'
import { authorityRenewable, Renewer } from '../../../src/pki/index.ts'
import { readCertificates } from '../../../src/x509/index.ts'
import { waitFor } from '../../support/wait-for.ts'
import { TestFolder } from './test-folder.ts'

const day = 24 * 60 * 60 * 1000

/** A member's certificate for nine days, and a renewer whose clock can be set. */
class World extends TestFolder {
  readonly certFile: string
  readonly errors: string[] = []
  readonly outcomes: boolean[] = []
  nowMs = Date.now()
  readonly #renewer: Renewer

  constructor(dirs: readonly string[] = ['ca']) {
    super()
    this.init()
    this.init('other')
    this.certFile = this.issue('m1', { validityDays: 9 }).certFile
    const note = (message: string, fields?: Record<string, unknown>) =>
      void this.errors.push(`${message} ${JSON.stringify(fields)}`)
    const log: Log = { ...silentLog, error: note }
    this.#renewer = new Renewer(
      [
        authorityRenewable({
          dirs: dirs.map((dir) => this.path(dir)),
          passphraseFile: null,
          certFile: this.certFile,
        }),
      ],
      { log, onOutcome: (ok) => void this.outcomes.push(ok), nowMs: () => this.nowMs, lookMs: 5 },
    )
    this.#renewer.start()
  }

  get leaf() {
    return readCertificates(Buffer.from(this.read('out', 'm1.crt')))[0]!
  }

  override [Symbol.dispose](): void {
    this.#renewer.stop()
    super[Symbol.dispose]()
  }
}

test('a certificate is renewed when a third of its life is left, for the same key and names', async () => {
  using world = new World(['other', 'ca'])
  const before = world.leaf
  world.nowMs += 5 * day
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(world.leaf.serial, before.serial, 'not before its time')
  world.nowMs += 1.1 * day
  await waitFor('it is renewed', () => world.outcomes.length > 0)
  const { leaf } = world
  assert.notEqual(leaf.serial, before.serial)
  assert.ok(leaf.publicKey.equals(before.publicKey))
  assert.deepEqual(leaf.extensions.alternativeNames, before.extensions.alternativeNames)
  assert.deepEqual([world.outcomes, world.errors], [[true], []])
})

test('what cannot be renewed is told, and tried again after a pause', async () => {
  using world = new World(['other'])
  const { serial } = world.leaf
  world.nowMs += 7 * day
  await waitFor('it fails', () => world.outcomes.length === 1)
  assert.match(world.errors[0]!, /could not be renewed .*is of none of .*other/)
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(world.outcomes.length, 1, 'not at once')
  world.nowMs += 61_000
  await waitFor('it fails again', () => world.outcomes.length === 2)
  assert.deepEqual(world.outcomes, [false, false])
  assert.equal(world.leaf.serial, serial)
})

test('a missing file and a missing authority do not end the renewer', async () => {
  using world = new World()
  world.nowMs += 7 * day
  await waitFor('it is renewed', () => world.outcomes.includes(true))
  const kept = world.read('out', 'm1.crt')
  rmSync(world.certFile)
  await waitFor('its file is missed', () => world.errors.length === 1)
  writeFileSync(world.certFile, kept)
  rmSync(world.path('ca'), { recursive: true })
  world.nowMs += 7 * day
  await waitFor('its authority is missed', () => world.errors.length === 2)
  assert.match(world.errors[1]!, /there is no such folder/)
})
