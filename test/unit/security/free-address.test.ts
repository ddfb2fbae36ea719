import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { requireFreeAddress } from '../../../src/security/free-address.ts'

test('an address that somebody shares is not free', async (t) => {
  const server = createServer()
  server.listen({ host: '127.0.0.1', port: 0, reusePort: true })
  await once(server, 'listening')
  t.after(() => server.close())
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  await assert.rejects(requireFreeAddress(url), { code: 'EADDRINUSE' })
  server.close()
  await once(server, 'close')
  await requireFreeAddress(url)
})
