/** A thread in which passwords are hashed: one takes a tenth of a second, in which a serving thread would answer nobody. */
import { parentPort } from 'node:worker_threads'
import bcrypt from 'bcryptjs'
import { assert } from '../base/assert.ts'
import { giveWayToOthers } from './background-priority.ts'
import { nobodysHash, type PasswordQuestion, type PasswordResult } from './passwords.ts'

const port = parentPort
assert(port !== null, 'passwords are hashed in threads of their own')
giveWayToOthers()

/** A wrong one takes as long as a hash of `cost` does, whatever that which it was compared with has cost. */
function matches(password: string, hash: string, cost: number): boolean {
  if (bcrypt.compareSync(password, hash)) return true
  // Each takes twice as long as the one before: together with the first, as long as one of `cost`.
  for (let rounds = bcrypt.getRounds(hash); rounds < cost; rounds++) bcrypt.compareSync(password, nobodysHash(rounds))
  return false
}

port.on('message', ({ password, hash, cost }: PasswordQuestion) => {
  const result = hash === null ? bcrypt.hashSync(password, cost) : matches(password, hash, cost)
  port.postMessage(result satisfies PasswordResult)
})
