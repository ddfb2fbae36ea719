import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endedText } from '../../../src/cli/token-revoke.ts'

test('what has ended is said, and no more', () => {
  assert.equal(endedText({ id: '', user: '' }), 'the token and what was derived from it: ended')
  assert.equal(endedText({ id: 'x', user: '' }), 'token x and what was derived from it: ended')
  assert.match(
    endedText({ id: '', user: 'root' }),
    /^all tokens of root: ended; not those that it made for other users/,
  )
})
