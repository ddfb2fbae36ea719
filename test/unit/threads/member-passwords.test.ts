import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemberPasswords } from '../../../src/threads/member-passwords.ts'

test('who has another certificate has its turn before those of the same address that came before', {
  timeout: 60_000,
}, async () => {
  const passwords = new MemberPasswords(8)
  const ask = (certificate: string | null) => {
    const place = { address: '192.0.2.1', certificate }
    return passwords.ask({ password: 'p', hash: null, user: `user of ${certificate}`, place })
  }
  try {
    const flood = Array.from({ length: 200 }, () => ask('many'))
    let isOver = false
    const over = Promise.all(flood.map(({ result }) => result)).then(() => {
      isOver = true
    })
    for (const certificate of ['one', null]) {
      assert.equal(await ask(certificate).result, false)
      assert.equal(isOver, false)
    }
    await over
  } finally {
    await passwords.close()
  }
})
