import { Dice } from '../sim/dice.ts'
import { describeChange } from './change-request.ts'
import type { Result } from './connections.ts'
import { RandomRequests, userNames } from './generator.ts'
import { deedOf, describe } from './request.ts'
import { type Change, type Denial, isDenial, type Who } from './rules.ts'
import { Mismatch, type World, whoText } from './world.ts'

const asRoot: Who = { certificate: 'root', token: null }

/** Whether etcd 3.4 would keep the new permission beside the one that it replaces: it finds only the first of a key. */
function isKeptTwice(change: Change, { model }: World): boolean {
  if (change.kind !== 'grantPermission') return false
  const { key, end } = change.range
  return model.roles.get(change.role)?.some(({ range }) => range.key === key && range.end !== end) === true
}

/** To a certificate that names no user, etcd says so where only root may ask, instead of denying. */
function denialOf(result: Result, isStranger: boolean): Denial | null {
  if (result.kind !== 'refused') return null
  if (isStranger && result.reason === 'userNotFound') return 'permissionDenied'
  return isDenial(result.reason) ? result.reason : null
}

/**
 * Changes, logins and requests such as etcd 3.4.23 judges rightly, one after the other: whether the model is right, if the
 * program is etcd.
 *
 * @returns requests, and how many of them were denied.
 * @throws Mismatch
 */
export async function runAsEtcd(
  world: World,
  seed: number,
  steps: number,
  print: (line: string) => void,
): Promise<{ requests: number; denials: number }> {
  const dice = new Dice(seed, 'etcd')
  const random = new RandomRequests(new Dice(seed, 'requests of etcd'), { beyondEtcd: false })
  const passwords = new Map<string, string>()
  const [member] = world.cluster.members
  const totals = { requests: 0, denials: 0 }
  const make = async (change: Change): Promise<void> => {
    if (isKeptTwice(change, world)) return
    print(describeChange(change))
    const before = world.model
    await world.change(member!, asRoot, change)
    const isPassword = change.kind === 'addUser' || change.kind === 'changePassword'
    if (isPassword && change.password !== null && world.model !== before) passwords.set(change.user, change.password)
  }
  for (const change of random.setUp()) await make(change)
  for (let step = 0; step < steps; step++) {
    const { model, tokens } = world
    const roll = dice.below(100)
    if (roll < 30) {
      await make(random.change(model, tokens))
    } else if (roll < 36) {
      const user = dice.pick(userNames)
      const password = passwords.get(user)
      // Of whoever has no password, etcd 3.4 says so.
      if (password !== undefined && model.knows(user, password)) await world.logIn(member!, user, password)
    } else {
      // With auth off, etcd 3.4 refuses bad tokens all the same.
      const who = random.who(model.enabled ? tokens : [], model)
      if (!model.enabled && who.token !== null) continue
      const request = random.request([])
      const deed = deedOf(request)
      // etcd carries out an empty transaction for whoever has a certificate.
      if (deed.kind === 'keys' && deed.needs.length === 0) continue
      print(`${describe(request)} by ${whoText(who)}`)
      const result = await world.request(member!, who, request)
      const denial = denialOf(result, model.identify(who) === 'permissionDenied')
      const wanted = model.judge(who, deed)
      totals.requests++
      if (denial !== null) totals.denials++
      if (denial === wanted) continue
      throw new Mismatch(
        `${describe(request)} by ${whoText(who)}: ${result.kind === 'done' ? 'allowed' : result.text} instead of ${wanted ?? 'allowed'}`,
      )
    }
  }
  return totals
}
