/** Issues, revokes and rotates until it is killed. Arguments: the authority's folder, one for certificates, a prefix. */
import {
  beginRotation,
  finishRotation,
  issueLeaf,
  PkiError,
  renewLeaf,
  revoke,
  switchRotation,
} from '../../../src/pki/index.ts'

const [dir, outDir, prefix] = process.argv.slice(2) as [string, string, string]
for (let i = 0; ; i++) {
  const name = `${prefix}-${i}`
  const names = { commonName: name, name, dnsNames: [], ipAddresses: [], uris: [] }
  const { serial, certFile, keyFile } = issueLeaf({ dir, profile: 'client', ...names, outDir })
  if (i === 0) process.stdout.write('at work\n')
  if (i % 3 === 0) revoke({ dir, serial, reason: 'superseded' })
  else renewLeaf({ dir, certFile, keyFile: i % 3 === 1 ? keyFile : null })
  if (i % 5 === 4) for (const step of [beginRotation, switchRotation, finishForced]) unlessElsewhere(step)
}

function finishForced(access: { readonly dir: string }): void {
  finishRotation({ ...access, force: true })
}

/** A rotation that another process is at, or was killed in, is carried on from where it stands. */
function unlessElsewhere(step: (access: { readonly dir: string }) => void): void {
  try {
    step({ dir })
  } catch (error) {
    if (!(error instanceof PkiError && / rotation (has|is) /.test(error.message))) throw error
  }
}
