import { parentPort } from 'node:worker_threads'
import { runSeed } from './run-seed.ts'
import type { Job } from './run-seeds.ts'

parentPort?.on('message', ({ seed, overrides }: Job) => parentPort?.postMessage(runSeed(seed, overrides)))
