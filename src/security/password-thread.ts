/** A thread in which passwords are hashed: one takes a tenth of a second, in which a serving thread would answer nobody. */
import { parentPort } from 'node:worker_threads'
import bcrypt from 'bcryptjs'
import { assert } from '../base/assert.ts'
import { giveWayToOthers } from './background-priority.ts'
import type { PasswordQuestion, PasswordResult } from './passwords.ts'

const port = parentPort
assert(port !== null, 'passwords are hashed in threads of their own')
giveWayToOthers()
port.on('message', ({ password, hash, cost }: PasswordQuestion) => {
  const result = hash === null ? bcrypt.hashSync(password, cost) : bcrypt.compareSync(password, hash)
  port.postMessage(result satisfies PasswordResult)
})
