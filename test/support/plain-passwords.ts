import type { LoginAttempt, PasswordHasher } from '../../src/service/login.ts'
import { LoginGuard } from '../../src/service/login-guard.ts'

/** Passwords that are their own hashes, compared at once; failures are counted as members do it. */
export class PlainPasswords implements PasswordHasher {
  isBusy = false
  readonly guard: LoginGuard
  readonly asked: { readonly password: string; readonly hash: string | null }[] = []
  /** Awaited before each comparison. */
  before: () => Promise<void> = async () => {}

  constructor(guard = new LoginGuard()) {
    this.guard = guard
  }

  async hash(password: string): Promise<string> {
    return password
  }

  async matches(password: string, hash: string | null, { user, place }: LoginAttempt): Promise<boolean> {
    this.asked.push({ password, hash })
    await this.before()
    const isRight = password === hash
    if (isRight) this.guard.succeeded(user, place)
    else this.guard.failed(user, place)
    return isRight
  }
}
