import { AuthMember } from './auth-member.ts'

/** Sees the state as of when it fell behind, until it catches up. */
export class LateMember extends AuthMember {
  readonly #now = this.view

  fallBehind(): void {
    this.view = this.holdView().view
  }

  override async readBarrier(): Promise<void> {
    await super.readBarrier()
    this.view = this.#now
  }
}
