// Installs the dependencies if they are missing or not those of the lock file. Plain JavaScript without dependencies:
// it runs on whatever Node the machine has, before there is anything else.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'))

/** npm leaves a copy of the lock file's entries for what it has installed; entries for other platforms are optional. */
function isInstalled() {
  const installedPath = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installedPath)) return false
  const wanted = readJson(join(root, 'package-lock.json')).packages
  const installed = readJson(installedPath).packages
  return Object.entries(wanted).every(
    ([path, entry]) => path === '' || entry.optional || installed[path]?.version === entry.version,
  )
}

/** The Node that everything else runs on: this one if it is new enough, else the one that npm installed. */
export function modernNode() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath
  const bundled = join(root, 'node_modules', 'node', 'bin', 'node')
  if (existsSync(bundled)) return bundled
  throw new Error(`Node 24 or newer is needed: this is ${process.version}, and ${bundled} is missing`)
}

export function setup() {
  if (isInstalled()) return
  process.stderr.write('Installing dependencies...\n')
  // Development dependencies too, whatever NODE_ENV says: the newer Node is one of them.
  const { status, error } = spawnSync('npm', ['ci', '--include=dev', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (error) throw error
  if (status !== 0) throw new Error(`npm ci failed with exit code ${status}`)
  if (!isInstalled()) throw new Error('npm ci succeeded, but node_modules does not match package-lock.json')
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    setup()
  } catch (error) {
    process.stderr.write(`setup: ${error.message}\n`)
    process.exit(1)
  }
}
