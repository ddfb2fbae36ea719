import type { Model, Operation } from './linearizability.ts'

export type RegisterInput =
  | { readonly kind: 'get' }
  | { readonly kind: 'put'; readonly value: string }
  | { readonly kind: 'delete' }
  /** Puts `value` if the register holds `expected` (null: nothing), else reads it. */
  | { readonly kind: 'swap'; readonly expected: string | null; readonly value: string }

export type RegisterOutput =
  | { readonly kind: 'done' }
  | { readonly kind: 'value'; readonly value: string | null }
  | { readonly kind: 'deleted'; readonly existed: boolean }
  | { readonly kind: 'swapped' }

export type RegisterOperation = Operation<RegisterInput, RegisterOutput>

/** One key: a value, or nothing. */
export const registerModel: Model<string | null, RegisterInput, RegisterOutput> = {
  initial: null,
  key: (state) => (state === null ? '-' : `=${state}`),
  step: (state, input, output) => {
    switch (input.kind) {
      case 'get':
        return output === undefined || (output.kind === 'value' && output.value === state) ? state : undefined
      case 'put':
        return input.value
      case 'delete':
        if (output?.kind === 'deleted' && output.existed !== (state !== null)) return undefined
        return null
      case 'swap':
        if (state === input.expected) return output === undefined || output.kind === 'swapped' ? input.value : undefined
        return output === undefined || (output.kind === 'value' && output.value === state) ? state : undefined
    }
  },
}
