import { auditing, backingUp, identity, known, monitoring, type Operation, operating, root } from '../auth/operation.ts'
import { admit } from '../service/access.ts'
import type { Call } from '../service/call.ts'
import type { Member } from '../service/member.ts'
import type { Access } from './method.ts'

/**
 * Holds a call to what its method needs of every caller. Where the keys of the request decide, the handler asks, of the
 * state from which it answers.
 *
 * @throws EtcdError userEmpty, invalidAuthToken, permissionDenied.
 */
export function admitToMethod(member: Member, call: Call, access: Access): void {
  const operation = operations[access]
  if (operation !== null) admit(member, call, () => operation)
}

/** Null where the handler asks, or nobody has to. */
const operations: Readonly<Record<Access, Operation | null>> = {
  open: null,
  keys: null,
  known,
  identity,
  root,
  monitor: monitoring,
  backup: backingUp,
  operate: operating,
  audit: auditing,
}
