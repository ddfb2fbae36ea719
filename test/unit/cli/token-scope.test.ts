import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { scopeClaim } from '../../../src/auth/scope.ts'
import { CommandError } from '../../../src/cli/failure.ts'
import { scopeOfOptions } from '../../../src/cli/token-scope.ts'

describe('what a token is to allow, as it is asked for', () => {
  for (const { name, allow, scope, want } of [
    { name: 'a prefix', allow: ['read:prefix=/app/'], want: [{ verbs: ['read'], prefix: '/app/' }] },
    { name: 'two verbs', allow: ['read,write:key=k'], want: [{ verbs: ['read', 'write'], key: 'k' }] },
    {
      name: 'a key with all that has a meaning elsewhere',
      allow: ['read:key=a:b=c,d'],
      want: [{ verbs: ['read'], key: 'a:b=c,d' }],
    },
    { name: 'from a key on', allow: ['write:from=a'], want: [{ verbs: ['write'], from: 'a' }] },
    {
      name: 'everything',
      allow: ['read:all', 'lease,monitor'],
      want: [{ verbs: ['read'], all: true }, { verbs: ['lease', 'monitor'] }],
    },
    {
      name: 'both forms',
      allow: ['lease'],
      scope: '[{"verbs":["read"],"from":"a","to":"c"}]',
      want: [{ verbs: ['lease'] }, { verbs: ['read'], from: 'a', to: 'c' }],
    },
  ])
    test(name, () => {
      const options = scope === undefined ? { allow } : { allow, scope }
      assert.deepEqual(scopeClaim(scopeOfOptions(options)!), want)
    })

  test('nothing: as wide as may be', () => assert.equal(scopeOfOptions({ allow: [] }), null))

  for (const [allow, problem] of [
    ['read', /need a range/],
    ['read:/app/', /is not like/],
    ['read:prefix=', /prefix is empty/],
    ['own:all', /no such verb/],
    ['lease:all', /only read and write have a range/],
    ['', /is not like/],
    ['read:all=1', /is not like/],
  ] as const)
    test(`refused: ${JSON.stringify(allow)}`, () => {
      assert.throws(
        () => scopeOfOptions({ allow: [allow] }),
        (error) => error instanceof CommandError && problem.test(error.message),
      )
    })

  for (const scope of ['', '{}', '[', '[{"verbs":["read"],"prefix":"a","key":"b"}]', '[]'])
    test(`refused as a claim: ${scope}`, () => {
      assert.throws(() => scopeOfOptions({ allow: [], scope }), CommandError)
    })
})
