import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { Asked, PasswordResult } from '../security/passwords.ts'
import {
  type LoginPasswords,
  loginPasswords,
  type MemberPasswords,
  type PasswordRequest,
  type SharedLogins,
} from './member-passwords.ts'

/** What a serving thread is given of its member's passwords. The port is transferred. */
export interface PasswordsOfMember {
  readonly port: MessagePort
  readonly shared: SharedLogins
}

/** `request` null: that of this number is given up. */
interface Question {
  readonly id: number
  readonly request: PasswordRequest | null
}
/** `result` null: it was not looked at. */
interface Answer {
  readonly id: number
  readonly result: PasswordResult | null
  /** Why it could not be looked at. */
  readonly problem?: string
}

/** Answers one thread for as long as it lives; what it asked and has not begun goes with it. */
export function servePasswords(passwords: MemberPasswords): PasswordsOfMember {
  const { port1: here, port2: port } = new MessageChannel()
  const asked = new Map<number, Asked<PasswordResult>>()
  here.on('message', ({ id, request }: Question) => {
    if (request === null) {
      asked.get(id)?.giveUp()
      return
    }
    const answer = (result: PasswordResult | null, problem?: string): void => {
      asked.delete(id)
      here.postMessage({ id, result, ...(problem === undefined ? {} : { problem }) } satisfies Answer)
    }
    const question = passwords.ask(request)
    asked.set(id, question)
    question.result.then(answer, (error: Error) => answer(null, error.message))
  })
  here.on('close', () => {
    for (const { giveUp } of asked.values()) giveUp()
  })
  // Nobody stays for it alone.
  here.unref()
  return { port, shared: passwords.shared }
}

/** The thread's end. */
export function passwordsThrough({ port, shared }: PasswordsOfMember): LoginPasswords {
  const waiting = new Map<number, PromiseWithResolvers<PasswordResult | null>>()
  let next = 0
  port.on('message', ({ id, result, problem }: Answer) => {
    const waiter = waiting.get(id)
    waiting.delete(id)
    if (problem === undefined) waiter?.resolve(result)
    else waiter?.reject(new Error(problem))
  })
  port.unref()
  return loginPasswords((request) => {
    const id = next++
    const waiter = Promise.withResolvers<PasswordResult | null>()
    waiting.set(id, waiter)
    port.postMessage({ id, request } satisfies Question)
    return {
      result: waiter.promise,
      giveUp: () => {
        if (waiting.has(id)) port.postMessage({ id, request: null } satisfies Question)
      },
    }
  }, shared)
}
