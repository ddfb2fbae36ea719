// Runs a source file of the project on a Node that can: `node bin/node.mjs test/sim/main.ts --seed 7`.
import { spawnSync } from 'node:child_process'
import { modernNode, setup } from './setup.mjs'

setup()
const { status } = spawnSync(modernNode(), ['--disable-warning=ExperimentalWarning', ...process.argv.slice(2)], {
  stdio: 'inherit',
})
process.exit(status ?? 1)
