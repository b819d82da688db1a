import type { Target } from './target.ts'

/** No gateway: what the load generator and the mock upstream can do. Its CPU time is the mock's. */
export const direct: Target = {
  name: 'direct',
  label: 'the mock upstream itself (its own CPU time)',
  start: async ({ upstream, upstreamPid }) => ({
    origin: upstream,
    headers: {},
    pids: () => [upstreamPid],
    stop: async () => {},
  }),
}
