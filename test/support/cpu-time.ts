/** Milliseconds that processors have worked for this process so far. Unlike the clock it does not count what others take. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
