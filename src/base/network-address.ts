/**
 * What one client can be expected to have of addresses: an IPv4 address itself, the first 64 bits of an IPv6 address, of
 * which every host has as many as it likes.
 *
 * @param address as Node gives that of a socket; an IPv4 address in the form of IPv6 counts as what it is.
 */
export function networkOf(address: string): string {
  if (address.includes('.') || !address.includes(':')) return address
  const [head = '', tail = ''] = address.split('%', 1)[0]!.split('::')
  const groups = head === '' ? [] : head.split(':')
  const last = tail === '' ? [] : tail.split(':')
  const zeros = address.includes('::') ? Array<string>(8 - groups.length - last.length).fill('0') : []
  return [...groups, ...zeros, ...last].slice(0, 4).join(':')
}
