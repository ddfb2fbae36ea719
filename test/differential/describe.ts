import { bytesText, messageText } from './canonical.ts'
import type { Step } from './step.ts'
import { symbolText } from './symbols.ts'

/** A step in one line. */
export function describeStep(step: Step): string {
  switch (step.kind) {
    case 'call':
      return `${step.method} ${fieldsText(step.message)}`
    case 'bytes':
      return `${step.method} with the bytes ${Buffer.from(step.bytes).toString('hex').slice(0, 2000)}`
    case 'keepAlive':
      return `LeaseKeepAlive of ${step.ids.map(symbolText).join(', ')}`
    case 'watch':
      return `Watch on stream ${step.stream}: ${step.request.$case} ${fieldsText(step.request.value)}`
    case 'watchBytes':
      return `Watch on stream ${step.stream} with the bytes ${bytesText(step.bytes)}`
    case 'closeWatch':
      return `Watch stream ${step.stream} is closed by the client`
    case 'settle':
      return 'wait until all watches have everything'
    case 'awaitExpiry':
      return 'wait until a lease has run out'
  }
}

/** A request without the fields that have their default, as it is on the wire. */
const fieldsText = (message: unknown): string => messageText(withoutDefaults(message), symbolText)

function withoutDefaults(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (Array.isArray(value)) return value.map(withoutDefaults)
  const fields = Object.entries(value).filter(([, field]) => !isDefault(field))
  return Object.fromEntries(fields.map(([name, field]) => [name, withoutDefaults(field)]))
}

const isDefault = (value: unknown): boolean =>
  value === undefined || value === 0 || value === 0n || value === false || isEmptyList(value)

const isEmptyList = (value: unknown): boolean =>
  (value instanceof Uint8Array || Array.isArray(value)) && value.length === 0
