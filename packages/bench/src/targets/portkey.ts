import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '@loopgate/testkit/redis'
import { startPinned } from '../measure/pinned.ts'
import type { Target, TargetContext } from './target.ts'

const run = promisify(execFile)
const VERSION = '1.15.2'
/**
 * The newest HTTP adapter with which this version of Portkey streams: as installed it resolves
 * 1.19.19, and every streamed call answers 500 (measured on Node 20, 24 and 26).
 */
const STREAMING_ADAPTER = '1.3.3'

/** Portkey's gateway as npm installs it. */
export const portkey = portkeyTarget('portkey', `@portkey-ai/gateway ${VERSION} as installed`, {})

/** The same with one dependency pinned, because as installed it cannot stream. */
export const portkeyStreaming = portkeyTarget(
  'portkey-modified',
  `@portkey-ai/gateway ${VERSION}, modified install: @hono/node-server ${STREAMING_ADAPTER}, without which it cannot stream`,
  { '@hono/node-server': STREAMING_ADAPTER },
)

function portkeyTarget(name: string, label: string, overrides: Readonly<Record<string, string>>): Target {
  return {
    name,
    label,
    start: async (context) => {
      const program = await install(context, name, overrides)
      const port = await freePort()
      const gateway = startPinned(name, context.core, [context.node, program, '--headless', `--port=${port}`], {
        logFolder: context.folder,
        env: { NODE_ENV: 'production', TRUSTED_CUSTOM_HOSTS: '127.0.0.1' },
      })
      await gateway.answers(`http://127.0.0.1:${port}/`)
      return {
        origin: `http://127.0.0.1:${port}`,
        headers: {
          'x-portkey-provider': 'openai',
          'x-portkey-custom-host': `${context.upstream}/v1`,
          authorization: 'Bearer bench',
        },
        pids: () => [gateway.pid],
        stop: gateway.stop,
      }
    },
  }
}

/** Installs it once under .loopgate/bench, never into the repository's own dependencies. */
async function install(
  { folder }: TargetContext,
  name: string,
  overrides: Readonly<Record<string, string>>,
): Promise<string> {
  const home = join(folder, name)
  const program = join(home, 'node_modules/@portkey-ai/gateway/build/start-server.js')
  if (existsSync(program)) return program
  mkdirSync(home, { recursive: true })
  const manifest = { private: true, dependencies: { '@portkey-ai/gateway': VERSION }, overrides }
  writeFileSync(join(home, 'package.json'), JSON.stringify(manifest))
  try {
    await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: home, timeout: 120_000 })
  } catch (cause) {
    throw new Error(`@portkey-ai/gateway ${VERSION} could not be installed from npm`, { cause })
  }
  return program
}
