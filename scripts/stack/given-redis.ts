import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { StackError } from './ports.ts'

const VARIABLE = 'LOOPGATE_REDIS_URL'
/** A Redis that is there answers in milliseconds, over a network too. */
const WITHIN_MS = 3000

/**
 * Tells at once when the Redis that the user named cannot be used: the services would wait for it, as
 * they must when it goes away later. Of the nodes of a cluster one that answers will do.
 * @throws StackError naming what is wrong
 */
export async function checkGivenRedis(urls: string): Promise<void> {
  const nodes = urls.split(',').map((url) => parse(url.trim()))
  const problems = await Promise.all(nodes.map(problemOf))
  if (problems.every((problem) => problem !== null)) throw new StackError(`${VARIABLE}: ${problems.join('; ')}`)
}

function parse(url: string): URL {
  if (URL.canParse(url) && /^rediss?:$/.test(new URL(url).protocol)) return new URL(url)
  // The value may hold a password: it is not repeated.
  throw new StackError(`${VARIABLE} is not a URL of the form redis://host:port`)
}

/** Why the Redis at a URL cannot be used; null if it answers. */
async function problemOf({ protocol, hostname, port, username, password }: URL): Promise<string | null> {
  const host = hostname.replace(/^\[|\]$/g, '')
  const where = { host, port: Number(port || 6379) }
  const socket = protocol === 'rediss:' ? connectTls({ ...where, servername: host }) : connect(where)
  socket.setTimeout(WITHIN_MS, () => socket.destroy(new Error(`no answer within ${WITHIN_MS / 1000} s`)))
  const name = `${where.host}:${where.port}`
  try {
    const login = [username, password].map(decodeURIComponent).filter((part) => part !== '')
    const commands = [...(login.length > 0 ? [command('AUTH', ...login)] : []), command('PING')]
    socket.write(commands.join(''))
    let reply = ''
    for await (const data of socket) {
      reply += String(data)
      if (reply.split('\r\n').length > commands.length || !/^[+-]/.test(reply)) break
    }
    // A password that nobody asked for does no harm.
    if (reply.includes('+PONG')) return null
    const said = /^-([A-Z]+)/.exec(reply)?.[1]
    // Loading its file, it will do in a moment.
    if (said === 'LOADING') return null
    return said === undefined ? `what answers at ${name} is no Redis` : `the Redis at ${name} refuses: ${said}`
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return `there is no Redis at ${name} (${code ?? message})`
  } finally {
    socket.destroy()
  }
}

const command = (...words: string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`
