import { type Caller, callerFields } from '../auth/caller.ts'
import type { MemberId } from '../base/ids.ts'
import type { WriteKind } from '../service/member.ts'
import { encodeCommand } from '../wire/command.ts'
import { Command_Kind } from '../wire/gen/internal.ts'

/** What the log has for each kind of write that clients ask for. */
export const commandKinds: Record<WriteKind, Command_Kind> = {
  put: Command_Kind.PUT,
  deleteRange: Command_Kind.DELETE_RANGE,
  txn: Command_Kind.TXN,
  compact: Command_Kind.COMPACT,
  leaseGrant: Command_Kind.LEASE_GRANT,
  leaseRevoke: Command_Kind.LEASE_REVOKE,
  auth: Command_Kind.AUTH,
}

/** @param id that nobody waits for is 0. */
export function commandData(
  id: bigint,
  proposer: MemberId,
  kind: Command_Kind,
  request: Uint8Array,
  caller: Caller,
): Uint8Array {
  return encodeCommand(id, proposer, kind, request, callerFields(caller))
}
