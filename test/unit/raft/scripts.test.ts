import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { runScript } from './run-script.ts'
import { ScriptCluster } from './script-cluster.ts'

const folder = new URL('../../testdata/raft/', import.meta.url)

for (const name of readdirSync(folder).filter((file) => file.endsWith('.txt'))) {
  test(`raft script ${name}`, () => {
    const cluster = new ScriptCluster()
    runScript(new URL(name, folder), (command) => cluster.handle(command))
  })
}
