import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

/** Below what the system hands out for outgoing connections, so that those do not take a port between check and use. */
const lowest = 12_000
const highest = 31_000

/**
 * Ports of 127.0.0.1 that were free a moment ago and that nobody else who asks here gets while this process lives: one that a
 * member has left while it is down must not go to a test that runs at the same time.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = randomInt(lowest, highest)
    if (await take(port)) ports.push(port)
  }
  return ports
}

/** The first of `count` such ports, one after the other. */
export async function freePortsInRow(count: number): Promise<number> {
  for (;;) {
    const first = randomInt(lowest, highest - count)
    let ours = 0
    while (ours < count && (await take(first + ours))) ours++
    if (ours === count) return first
  }
}

const take = async (port: number): Promise<boolean> => (await reserve(port)) && (await isFree(port))

/**
 * The UDP port of the same number stands for it: nobody here uses that, and it is given back when this process ends.
 *
 * @returns whether nobody else had it.
 */
function reserve(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.once('error', () => {
      socket.close()
      resolve(false)
    })
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(true))
    socket.unref()
  })
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}
