/** A process of its own, for its number of descriptors: opens connections and says nothing. Arguments: port, count. */
import { connect } from 'node:net'

const [port, count] = process.argv.slice(2).map(Number) as [number, number]
/** What a listener's backlog takes. */
const connectingMax = 200
let opened = 0
let open = 0
let started = 0

function more(): void {
  while (started < count && started - opened < connectingMax) {
    started++
    let connected = false
    const socket = connect(port, '127.0.0.1', () => {
      connected = true
      opened++
      open++
      more()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      if (connected) open--
      else opened++
      more()
    })
  }
}
more()
setInterval(() => process.stdout.write(`${opened} ${open}\n`), 100)
