import { type Answer, jsonAnswer, methodNotAllowed, notFound, textAnswer } from './answer.ts'
import { type HealthPaths, health, livezChecks, readyzChecks, runChecks } from './health.ts'

export interface PathsOptions extends HealthPaths {
  /** All metrics of the process, in the text format of Prometheus; rejects if they cannot be had now. */
  readonly metrics: () => Promise<string>
}

/** Answers one request; what it rejects with is a defect. */
type Respond = (query: URLSearchParams) => Promise<Answer>

interface Path {
  readonly methods: readonly string[]
  readonly respond: Respond
}

export type Paths = (method: string, path: string, query: URLSearchParams) => Promise<Answer>

const metricsType = { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }

/**
 * What is served over HTTP: all of it for everybody who gets through TLS, and so nothing of the data or of who is who.
 * For the same reason it does not matter what name a browser came by (DNS rebinding), and no other site may read it (no
 * CORS header). Profiles and the like are not served at all.
 */
export function createPaths(options: PathsOptions): Paths {
  const { version } = options.member.info
  const paths = new Map<string, Path>([
    [
      '/metrics',
      {
        methods: ['GET', 'HEAD'],
        respond: async () => ({ ...textAnswer(await options.metrics()), headers: metricsType }),
      },
    ],
    ['/health', { methods: ['GET'], respond: (query) => health(options, query) }],
    [
      '/version',
      {
        methods: ['GET'],
        respond: async () => jsonAnswer({ etcdserver: version, etcdcluster: clusterVersion(version) }),
      },
    ],
  ])
  for (const [path, checks] of [
    ['/livez', livezChecks],
    ['/readyz', readyzChecks],
  ] as const) {
    paths.set(path, { methods: ['GET'], respond: (query) => runChecks(checks, options, query) })
    for (const check of checks) {
      const one = new Map([check])
      paths.set(`${path}/${check[0]}`, { methods: ['GET'], respond: (query) => runChecks(one, options, query) })
    }
  }
  return async (method, path, query) => {
    const found = paths.get(path)
    if (found === undefined) return notFound
    if (!found.methods.includes(method)) return methodNotAllowed(found.methods.join(', '))
    return found.respond(query)
  }
}

/** What all members of a cluster can do: the patch level says nothing of it. */
const clusterVersion = (version: string): string => version.replace(/^(\d+\.\d+)\..*$/, '$1.0')
