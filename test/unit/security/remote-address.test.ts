import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { type Resolver, remoteAddressProblem } from '../../../src/security/remote-address.ts'
import { parseCertificate, pemBlocks } from '../../../src/x509/index.ts'
import { testAuthority } from '../pki/test-authority.ts'

const authority = testAuthority()
after(() => authority.remove())

function resolver(forward: Record<string, string[]>, backward: Record<string, string[]> = {}): Resolver {
  return {
    addressesOf: async (name) => forward[name] ?? [],
    namesOf: async (address) => backward[address] ?? [],
  }
}

let leaves = 0
function leaf(dnsNames: string[], ipAddresses: string[]) {
  const { certFile } = authority.leaf(`m${leaves++}`, { dnsNames, ipAddresses })
  return parseCertificate(pemBlocks(readFileSync(certFile, 'latin1'))[0]!.der)
}

for (const { name, dns = [], ips = [], remote = '10.0.0.7', forward = {}, backward = {}, want } of [
  { name: 'its own address', ips: ['10.0.0.7'], want: null },
  { name: 'its own address through an IPv6 socket', ips: ['10.0.0.7'], remote: '::ffff:10.0.0.7', want: null },
  { name: 'its own IPv6 address', ips: ['2001:db8::5'], remote: '2001:db8::5', want: null },
  { name: 'another address', ips: ['10.0.0.8'], want: /^x509: certificate is valid for 10\.0\.0\.8, not 10\.0\.0\.7$/ },
  { name: 'a name that has the address', dns: ['m0.example'], forward: { 'm0.example': ['10.0.0.7'] }, want: null },
  {
    name: 'a name that has another address',
    dns: ['m0.example'],
    forward: { 'm0.example': ['10.0.0.8'] },
    want: /^tls: "10\.0\.0\.7" does not match any of DNSNames \["m0\.example"\]$/,
  },
  { name: 'a name that nobody knows', dns: ['m0.example'], want: /does not match any of DNSNames/ },
  {
    name: 'a wildcard whose base lists the address',
    dns: ['*.example.default.svc'],
    forward: { 'example.default.svc': ['10.0.0.6', '10.0.0.7'] },
    want: null,
  },
  {
    name: 'a wildcard whose base lists others',
    dns: ['*.example.default.svc'],
    forward: { 'example.default.svc': ['10.0.0.6'] },
    want: /does not match/,
  },
  {
    name: 'a claimed name that the wildcard covers and that has the address',
    dns: ['*.example.svc'],
    forward: { 'm0.example.svc': ['10.0.0.7'] },
    backward: { '10.0.0.7': ['m0.example.svc.'] },
    want: null,
  },
  {
    name: 'a claimed name that does not have the address',
    dns: ['*.example.svc'],
    forward: { 'm0.example.svc': ['10.0.0.9'] },
    backward: { '10.0.0.7': ['m0.example.svc'] },
    want: /does not match/,
  },
  {
    name: 'a claimed name two labels below the wildcard',
    dns: ['*.example.svc'],
    forward: { 'a.b.example.svc': ['10.0.0.7'] },
    backward: { '10.0.0.7': ['a.b.example.svc'] },
    want: /does not match/,
  },
  {
    name: 'an address beside names: the names count, too',
    dns: ['m0.example'],
    ips: ['10.0.0.8'],
    forward: { 'm0.example': ['10.0.0.7'] },
    want: null,
  },
] as {
  name: string
  dns?: string[]
  ips?: string[]
  remote?: string
  forward?: Record<string, string[]>
  backward?: Record<string, string[]>
  want: RegExp | null
}[]) {
  test(`a certificate from ${remote} with ${name}`, async () => {
    const problem = await remoteAddressProblem(leaf(dns, ips), remote, resolver(forward, backward))
    if (want === null) assert.equal(problem, null)
    else assert.match(problem ?? 'accepted', want)
  })
}

test('a certificate with a thousand names costs a handful of look-ups', async () => {
  let lookups = 0
  const counting: Resolver = {
    addressesOf: async () => {
      lookups++
      return []
    },
    namesOf: async () => Array.from({ length: 1000 }, (_, i) => `n${i}.example`),
  }
  const names = Array.from({ length: 90 }, (_, i) => `n${i}.example`)
  assert.notEqual(await remoteAddressProblem(leaf(names, []), '10.0.0.7', counting), null)
  assert.ok(lookups <= 40, `${lookups}`)
})
