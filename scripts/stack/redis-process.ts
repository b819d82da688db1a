import { existsSync, mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { ProcessSpec } from './managed.ts'

/** Kills Redis should we be killed; util-linux has it on every Debian, without it only Ctrl-C stops Redis. */
const SETPRIV = '/usr/bin/setpriv'

/**
 * A private Redis on the port given: reachable from this machine alone, durable, and refusing to
 * evict, since queues and loops live in it beside the cache.
 */
export function redisSpec(program: string, port: number, stateFolder: string, env: NodeJS.ProcessEnv): ProcessSpec {
  const folder = join(stateFolder, 'redis')
  mkdirSync(folder, { recursive: true })
  const redis = [
    program,
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    '--appendonly',
    'yes',
    '--appendfsync',
    'everysec',
    '--save',
    '',
    '--maxmemory-policy',
    'noeviction',
  ]
  const command = existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'TERM', ...redis] : redis
  return {
    name: 'redis',
    command: command[0] as string,
    args: command.slice(1),
    env,
    logFile: join(stateFolder, 'logs', 'redis.log'),
    ready: () => ping(port),
  }
}

/** Whether a Redis answers PONG, that is, has loaded its file. */
function ping(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    const done = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(1000, () => done(false))
    socket.once('data', (data) => done(data.toString().startsWith('+PONG')))
    socket.once('error', () => done(false))
  })
}
