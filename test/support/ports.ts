import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Below what the system hands out for outgoing connections, so that those do not take a port between check and use. */
const lowest = 12_000
const highest = 31_000

const given = new Set<number>()

/** Ports of 127.0.0.1 that were free a moment ago and that no other call in this process gets. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = randomInt(lowest, highest)
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
