import { assert } from '../base/assert.ts'
import { noMember } from '../base/ids.ts'
import type { ConfChange, ConfState } from './types.ts'

/**
 * The configuration after `change`. A change that is already in effect changes nothing: a member that starts from a
 * list of peers applies the log that once produced that list.
 *
 * @throws InvariantError if no voter would be left; whoever applies the entry refuses that first.
 */
export function changeConfState(conf: ConfState, change: ConfChange): ConfState {
  const { kind, member } = change
  assert(member !== noMember, 'a configuration change names no member')
  const isVoter = conf.voters.includes(member)
  const isLearner = conf.learners.includes(member)
  switch (kind) {
    case 'addLearner':
      return isVoter || isLearner ? conf : { voters: conf.voters, learners: [...conf.learners, member] }
    case 'promote':
      if (!isLearner) return conf
      return { voters: [...conf.voters, member], learners: conf.learners.filter((id) => id !== member) }
    case 'addVoter':
      if (isVoter) return conf
      return { voters: [...conf.voters, member], learners: conf.learners.filter((id) => id !== member) }
    case 'remove': {
      if (!isVoter && !isLearner) return conf
      const voters = conf.voters.filter((id) => id !== member)
      assert(voters.length > 0, 'a configuration change would remove the last voter')
      return { voters, learners: conf.learners.filter((id) => id !== member) }
    }
  }
}
