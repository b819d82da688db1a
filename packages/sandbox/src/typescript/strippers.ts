import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Clock } from '@loopgate/service-kit'
import { startHost } from '../hosts/host.ts'
import { createHosts } from '../hosts/hosts.ts'
import { BOOTSTRAP_FOLDER, type Runtime } from '../languages/runtime.ts'
import type { Prepared } from '../prepare.ts'

/** What became of one source: JavaScript, or why it is no TypeScript. */
type Stripped = { readonly code: string } | { readonly error: string }

/** Warm processes that take types off, one tenant each: what one tenant's source did to one reaches nobody else's code. */
export type Strippers = {
  /** All sources of one request, in order. @throws Error if no process can be started */
  readonly strip: (
    tenant: string | null,
    sources: ReadonlyArray<{ readonly path: string; readonly source: Buffer }>,
  ) => Promise<Stripped[]>
  readonly close: () => Promise<void>
}

const SOURCES = fileURLToPath(new URL('../bootstrap/typescript', import.meta.url))
const MEMORY_BYTES = 256 * 1024 * 1024
/** Longest time for the sources of one request: a parser takes milliseconds for what people write. */
const STRIP_MS = 10_000

export function createStrippers(prepared: Prepared, node: Runtime, clock: Clock): Strippers {
  const { deps: jail, closeFds, folder } = prepared
  let counter = 0
  let isStaged = false
  const argv: Runtime['argv'] = (_role, limits) =>
    node.node?.start(limits, ['--single-threaded', '--no-warnings', `${BOOTSTRAP_FOLDER}/typescript/strip.cjs`]) ?? []
  const hosts = createHosts(clock, {
    start: (kind, memoryBytes) => {
      if (!isStaged) cpSync(SOURCES, join(folder, 'typescript'), { recursive: true })
      isStaged = true
      return startHost(jail, { id: `strip-${(counter += 1)}`, kind, runtime: { ...node, argv }, memoryBytes, closeFds })
    },
    ahead: [],
  })
  return {
    strip: (tenant, sources) =>
      new Promise((resolve) => {
        const key = { tenant, kind: 'strip', memoryBytes: MEMORY_BYTES } as const
        const { host } = hosts.take(key)
        const done: Stripped[] = []
        const fail = (error: string) => {
          stopTimer()
          host.kill()
          resolve([...done, { error }])
        }
        const stopTimer = clock.after(STRIP_MS, () => fail(`SyntaxError: types were not removed within ${STRIP_MS} ms`))
        host.assign({
          onFrame: ({ kind, payload }) => {
            const text = payload.toString('utf8')
            done.push(kind === 'J' ? { code: text } : { error: text })
            if (done.length < sources.length) return
            stopTimer()
            hosts.giveBack(key, host, 0)
            resolve(done)
          },
          onEnd: () => fail('SyntaxError: the source could not be parsed with the memory there is'),
        })
        for (const { path, source } of sources) {
          host.send('P', path)
          host.send('T', source)
        }
      }),
    close: hosts.close,
  }
}
