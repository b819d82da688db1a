import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { type Client, defineScripts } from '../replicas/scripts.ts'

const CONNECT_TIMEOUT_MS = 1000
const MAX_RECONNECT_MS = 1000
/** How long a peer that is being dropped may still say goodbye. */
const DISCONNECT_TIMEOUT_MS = 100

type OwnOptions = Pick<
  RedisOptions,
  'enableOfflineQueue' | 'maxRetriesPerRequest' | 'autoResendUnfulfilledCommands' | 'enableAutoPipelining'
>

/**
 * Opens a connection with the scripts of this package. Several URLs separated by commas, or one
 * with `?cluster=true`, are nodes of a Redis Cluster.
 */
export function createClient(urls: string, own: OwnOptions): Client {
  const options = {
    replyMapping: 'legacy' as const,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    keepAlive: 10_000,
    retryStrategy: pause,
    connectionName: 'generations',
    ...own,
  }
  const nodes = urls.split(',')
  const client = isCluster(nodes) ? (openCluster(nodes, options) as unknown as Client) : new Redis(urls, options)
  client.on('error', () => {})
  defineScripts(client)
  return client
}

const pause = (attempt: number): number => Math.min(50 * attempt, MAX_RECONNECT_MS)

function isCluster([first = '', second]: readonly string[]): boolean {
  return second !== undefined || new URL(first).searchParams.get('cluster') === 'true'
}

function openCluster(
  nodes: readonly string[],
  options: OwnOptions & { replyMapping: 'legacy'; retryStrategy: typeof pause },
): Cluster {
  const urls = nodes.map((node) => new URL(node))
  const { retryStrategy: _, enableOfflineQueue: __, ...shared } = options
  const { username, password, protocol } = urls[0] ?? new URL('redis://localhost')
  return new Cluster(
    urls.map(({ hostname, port }) => ({ host: hostname, port: Number(port || 6379) })),
    {
      enableOfflineQueue: options.enableOfflineQueue ?? true,
      enableAutoPipelining: options.enableAutoPipelining ?? false,
      clusterRetryStrategy: pause,
      slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
      redisOptions: {
        ...shared,
        ...(username !== '' && { username: decodeURIComponent(username) }),
        ...(password !== '' && { password: decodeURIComponent(password) }),
        ...(protocol === 'rediss:' && { tls: {} }),
      },
    },
  )
}
