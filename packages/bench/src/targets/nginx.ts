import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '@loopgate/testkit/redis'
import { startPinned } from '../measure/pinned.ts'
import type { Target, TargetContext } from './target.ts'

/** nginx as a reverse proxy with kept-alive upstream connections, one worker, no access log. */
export const nginx = nginxTarget(
  'nginx',
  'nginx reverse proxy, upstream keep-alive, buffering off',
  'proxy_buffering off;',
)

/** nginx answering from its own cache, keyed by the whole body. */
export const nginxCache = nginxTarget(
  'nginx-cache',
  'nginx proxy_cache on POST, keyed by the body: every measured call is a hit',
  'proxy_cache bench; proxy_cache_methods POST; proxy_cache_key $request_body; proxy_cache_valid 200 1h; proxy_cache_lock on;',
)

function nginxTarget(name: string, label: string, caching: string): Target {
  return {
    name,
    label,
    start: async (context) => {
      const port = await freePort()
      const folder = join(context.folder, name)
      mkdirSync(folder, { recursive: true })
      const file = join(folder, 'nginx.conf')
      writeFileSync(file, configuration(context, folder, port, caching))
      const master = startPinned(name, context.core, [context.tool('nginx'), '-c', file, '-p', folder], {
        logFolder: context.folder,
      })
      await master.answers(`http://127.0.0.1:${port}/`)
      return {
        origin: `http://127.0.0.1:${port}`,
        headers: {},
        pids: () => workers(master.pid),
        stop: master.stop,
      }
    },
  }
}

function configuration({ upstream }: TargetContext, folder: string, port: number, caching: string): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  )
  return `
worker_processes 1;
daemon off;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off;
  ${paths.join('\n  ')}
  keepalive_requests 1000000000;
  client_body_buffer_size 64k;
  client_body_in_single_buffer on;
  proxy_cache_path ${folder}/cache keys_zone=bench:10m;
  upstream mock { server ${new URL(upstream).host}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header connection "";
      ${caching}
    }
  }
}
`
}

/** The worker of a master: it has helpers too, which come and go and serve nobody. */
function workers(master: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isWorker(name, master))
    .map(Number)
}

function isWorker(pid: string, master: number): boolean {
  try {
    // The name may hold spaces, so the fields are counted from its closing bracket (proc(5)).
    const parent = Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[1])
    return parent === master && readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('nginx: worker process')
  } catch {
    return false
  }
}
