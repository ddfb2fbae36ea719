import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Below what the system hands out for outgoing connections, so that those do not take a port between check and use. */
const lowest = 12_000
const highest = 31_000

/**
 * Test files that run at the same time each have a share of the ports: one that a member has left while it is down must
 * not go to another's. Node counts the places for files from 1.
 */
const shares = 8
const place = process.env.NODE_TEST_WORKER_ID
const share = Math.floor((highest - lowest) / shares)
const [from, to] =
  place === undefined
    ? [lowest, highest]
    : [lowest + (Number(place) % shares) * share, lowest + ((Number(place) % shares) + 1) * share]

const given = new Set<number>()

/** Ports of 127.0.0.1 that were free a moment ago and that no other call in this process gets. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = randomInt(from, to)
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    ports.push(port)
  }
  return ports
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}
