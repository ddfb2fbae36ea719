/** `npm run bench -- <name> [options]`: measurements on real processes. Each prints its figures, and fails on wrong answers. */
const benches: Readonly<Record<string, () => Promise<{ run(args: readonly string[]): Promise<void> }>>> = {
  audit: () => import('./audit.ts'),
  auth: () => import('./auth.ts'),
  'fan-out': () => import('./fan-out.ts'),
  handshakes: () => import('./handshakes.ts'),
  leases: () => import('./leases.ts'),
  logins: () => import('./logins.ts'),
  'long-ranges': () => import('./long-ranges.ts'),
}

const [name = '', ...args] = process.argv.slice(2)
const load = Object.hasOwn(benches, name) ? benches[name] : undefined
if (load === undefined) {
  process.stderr.write(`usage: npm run bench -- <${Object.keys(benches).join(' | ')}> [options]\n`)
  process.exitCode = 2
} else await (await load()).run(args)
