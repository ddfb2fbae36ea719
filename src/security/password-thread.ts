/** The thread in which passwords are hashed: one takes a tenth of a second, in which a serving thread would answer nobody. */
import { parentPort } from 'node:worker_threads'
import bcrypt from 'bcryptjs'
import { assert } from '../base/assert.ts'
import type { PasswordAnswer, PasswordQuestion } from './passwords.ts'

const port = parentPort
assert(port !== null, 'passwords are hashed in a thread of their own')
port.on('message', ({ id, password, hash, cost }: PasswordQuestion) => {
  const result = hash === null ? bcrypt.hashSync(password, cost) : bcrypt.compareSync(password, hash)
  port.postMessage({ id, result } satisfies PasswordAnswer)
})
