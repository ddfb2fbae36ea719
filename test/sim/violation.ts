/** A property that must hold of every run did not: a bug in what is simulated (or in the checker). */
export class Violation extends Error {
  override readonly name = 'Violation'
  readonly property: string
  constructor(property: string, detail: string) {
    super(`${property}: ${detail}`)
    this.property = property
  }
}

export function requireProperty(holds: boolean, property: string, detail: () => string): void {
  if (!holds) throw new Violation(property, detail())
}
