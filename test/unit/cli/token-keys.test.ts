import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tokenKeysList } from '../../../src/cli/token-keys.ts'

test('the keys of a file that is not there are not none', async () => {
  const options = { endpoints: '', dialTimeout: '1s', commandTimeout: '1s', keys: '/nowhere/keys.json' }
  await assert.rejects(tokenKeysList(options), { message: '/nowhere/keys.json: ENOENT' })
})
