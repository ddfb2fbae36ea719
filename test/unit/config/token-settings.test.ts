import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ConfigError } from '../../../src/config/config-error.ts'
import { Settings } from '../../../src/config/settings.ts'
import { tokensConfigOf } from '../../../src/config/token-settings.ts'

const read = (flags: Readonly<Record<string, string>>) =>
  tokensConfigOf(new Settings([new Map(Object.entries(flags))]), '/srv')

const oidc = { 'oidc-issuer': 'https://i.example', 'oidc-audience': 'a', 'oidc-jwks-file': 'o.json' }

describe('signed tokens', () => {
  test('are off unless there are keys', () => assert.deepEqual(read({}), { own: null, outside: null }))

  test('what is not said has a default', () => {
    assert.deepEqual(read({ 'token-signing-key-file': 's.key', ...oidc }), {
      own: {
        signingKeyFile: '/srv/s.key',
        keysFile: null,
        issuer: 'leasehold',
        audience: null,
        lifetimeMsMax: 900_000,
      },
      outside: {
        ...{ issuer: 'https://i.example', audience: 'a', keys: { kind: 'file', file: '/srv/o.json' } },
        ...{ nameClaim: 'sub', groupsClaim: 'groups', groupsPrefix: 'oidc:' },
      },
    })
  })

  test('all can be said', () => {
    const { own, outside } = read({
      ...{ 'token-keys-file': '/k.json', 'token-issuer': 'i', 'token-audience': 'o', 'token-max-lifetime': '1h' },
      ...{ 'oidc-issuer': 'x', 'oidc-audience': 'a', 'oidc-jwks-url': 'https://i.example/k', 'oidc-ca-file': 'ca.crt' },
      ...{ 'oidc-name-claim': 'email', 'oidc-groups-claim': 'roles', 'oidc-groups-prefix': '' },
    })
    assert.deepEqual(own, {
      signingKeyFile: null,
      keysFile: '/k.json',
      issuer: 'i',
      audience: 'o',
      lifetimeMsMax: 3_600_000,
    })
    assert.deepEqual(outside?.keys, { kind: 'url', url: 'https://i.example/k', caFile: '/srv/ca.crt' })
    assert.deepEqual([outside?.nameClaim, outside?.groupsClaim, outside?.groupsPrefix], ['email', 'roles', ''])
  })

  for (const { name, flags, flag } of [
    { name: 'an issuer without keys', flags: { 'token-issuer': 'x' }, flag: 'token-issuer' },
    { name: 'a lifetime without keys', flags: { 'token-max-lifetime': '1h' }, flag: 'token-max-lifetime' },
    { name: 'no lifetime', flags: { 'token-keys-file': 'k', 'token-max-lifetime': '0' }, flag: 'token-max-lifetime' },
    { name: 'days', flags: { 'token-keys-file': 'k', 'token-max-lifetime': '25h' }, flag: 'token-max-lifetime' },
    { name: 'no issuer', flags: { 'token-keys-file': 'k', 'token-issuer': '' }, flag: 'token-issuer' },
    {
      name: 'two of one name',
      flags: { ...oidc, 'token-keys-file': 'k', 'token-issuer': 'https://i.example' },
      flag: 'oidc-issuer',
    },
    { name: 'outside keys without their issuer', flags: { 'oidc-jwks-file': 'k' }, flag: 'oidc-jwks-file' },
    {
      name: 'an outside issuer without keys',
      flags: { 'oidc-issuer': 'x', 'oidc-audience': 'a' },
      flag: 'oidc-issuer',
    },
    { name: 'with keys in two places', flags: { ...oidc, 'oidc-jwks-url': 'https://i.example' }, flag: 'oidc-issuer' },
    { name: 'for anybody', flags: { 'oidc-issuer': 'x', 'oidc-jwks-file': 'k' }, flag: 'oidc-audience' },
    { name: 'without a name', flags: { ...oidc, 'oidc-name-claim': '' }, flag: 'oidc-name-claim' },
    { name: 'authorities for a file', flags: { ...oidc, 'oidc-ca-file': 'ca' }, flag: 'oidc-ca-file' },
    {
      name: 'keys by plaintext',
      flags: { ...oidc, 'oidc-jwks-file': '', 'oidc-jwks-url': 'http://i.example/k' },
      flag: 'oidc-jwks-url',
    },
    {
      name: 'keys by another protocol',
      flags: { ...oidc, 'oidc-jwks-file': '', 'oidc-jwks-url': 'ftp://i.example/k' },
      flag: 'oidc-jwks-url',
    },
    {
      name: 'keys with a password in the address',
      flags: { ...oidc, 'oidc-jwks-file': '', 'oidc-jwks-url': 'https://a:b@i.example/k' },
      flag: 'oidc-jwks-url',
    },
  ])
    test(`refused: ${name}`, () => {
      assert.throws(
        () => read(flags),
        (error) => error instanceof ConfigError && error.flag === flag,
      )
    })

  test('keys by plaintext of this machine are taken', () => {
    const { outside } = read({ ...oidc, 'oidc-jwks-file': '', 'oidc-jwks-url': 'http://127.0.0.1:8080/k' })
    assert.deepEqual(outside?.keys, { kind: 'url', url: 'http://127.0.0.1:8080/k', caFile: null })
  })
})
