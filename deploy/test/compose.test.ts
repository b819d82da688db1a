import t from 'tap'
import { ENV_NAMES } from '@loopgate/service-kit'
import { readText, readYaml } from './read.ts'

type Service = {
  readonly image: string
  readonly build?: { readonly target: string }
  readonly user?: string
  readonly read_only?: boolean
  readonly privileged?: boolean
  readonly cap_add?: readonly string[]
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly ports?: readonly string[]
  readonly networks?: readonly string[]
  readonly volumes?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly mem_limit?: string
  readonly cpus?: number
  readonly pids_limit?: number
  readonly healthcheck?: unknown
  readonly profiles?: readonly string[]
}
type Compose = {
  readonly version: string
  readonly services: Readonly<Record<string, Service>>
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>
}

const compose = readYaml('docker-compose.yml') as Compose
const services = Object.entries(compose.services)
const dockerfile = readText('deploy/docker/Dockerfile')

/** The lines of one target of the Dockerfile. */
function target(name: string): string {
  const stage = dockerfile.split(/^FROM /m).find((part) => part.split('\n')[0]?.endsWith(` AS ${name}`))
  return stage ?? ''
}

t.test('the services are those of the design', (t) => {
  t.strictSame(Object.keys(compose.services).sort(), [
    'gateway',
    'grafana',
    'prometheus',
    'redis-cache',
    'redis-queue',
    'runner',
    'sim',
    'worker',
  ])
  t.strictSame(compose.services['sim']?.profiles, ['sim'], 'the simulator starts only when asked for')
  t.end()
})

t.test('every container is locked down', (t) => {
  for (const [name, service] of services) {
    t.equal(service.read_only, true, `${name} cannot write to its image`)
    t.strictSame(service.cap_drop, ['ALL'], `${name} has no capability`)
    t.notOk(service.cap_add, `${name} asks for none back`)
    t.notOk(service.privileged, `${name} is not privileged`)
    t.ok(service.security_opt?.includes('no-new-privileges:true'), `${name} cannot gain privileges`)
    t.match(service.image, /:\d+\.\d+\.\d+|:v\d+\.\d+\.\d+/, `${name} has an exact tag`)
    t.ok(service.mem_limit && service.cpus && service.pids_limit, `${name} has limits of memory, CPU and processes`)
    t.notOk(
      service.volumes?.some((volume) => volume.includes('docker.sock')),
      `${name} does not hold the engine's socket`,
    )
    const user = service.user ?? /^USER (\S+)$/m.exec(target(service.build?.target ?? ''))?.[1]
    t.match(user, /^[1-9]\d*:[1-9]\d*$/, `${name} runs as a numeric user that is not root`)
  }
  t.end()
})

t.test('only the runner loosens its confinement, and only in the three ways that it needs', (t) => {
  for (const [name, service] of services) {
    const loosened = service.security_opt?.filter((option) => option !== 'no-new-privileges:true')
    const expected =
      name === 'runner'
        ? ['seccomp:deploy/seccomp/sandbox-runner.json', 'apparmor:unconfined', 'systempaths=unconfined']
        : []
    t.strictSame(loosened, expected, name)
  }
  const profile = JSON.parse(readText('deploy/seccomp/sandbox-runner.json')) as {
    syscalls: Array<{ names: string[]; action: string }>
  }
  const refused = profile.syscalls.flatMap((row) => (row.action === 'SCMP_ACT_ERRNO' ? row.names : []))
  for (const call of ['bpf', 'ptrace', 'setns', 'keyctl', 'io_uring_setup', 'kexec_load', 'open_by_handle_at']) {
    t.ok(refused.includes(call), `${call} is refused`)
  }
  t.end()
})

t.test('a port is published on the loopback address or not at all', (t) => {
  for (const [name, service] of services) {
    for (const port of service.ports ?? []) t.match(port, /^127\.0\.0\.1:/, `${name}: ${port}`)
  }
  t.end()
})

t.test('generated code reaches the gateway alone, and Redis is reached only from where it is used', (t) => {
  t.strictSame(compose.services['runner']?.networks, ['runners'])
  t.equal(compose.networks['runners']?.internal, true, 'the network of the runner has no way out')
  t.equal(compose.networks['data']?.internal, true, 'the network of Redis has no way out')
  const on = (network: string) =>
    services
      .filter(([, service]) => service.networks?.includes(network))
      .map(([name]) => name)
      .sort()
  t.strictSame(on('runners'), ['gateway', 'runner'])
  t.strictSame(on('data'), ['gateway', 'redis-cache', 'redis-queue', 'worker'])
  t.end()
})

t.test('no secret has a working default', (t) => {
  const environments = services.flatMap(([, service]) => Object.entries(service.environment ?? {}))
  const secrets = environments.filter(([name]) => /KEY|TOKEN$|SECRET|PASSWORD|REDIS.*URL|AUTH/.test(name))
  t.ok(secrets.length >= 10, 'there are secrets to look at')
  for (const [name, value] of secrets) {
    t.match(value, /\$\{[A-Z_]+:\?[^}]+\}/, `${name} comes from .env, and its absence is an error`)
  }
  const example = readText('deploy/env.example')
  for (const match of readText('docker-compose.yml').matchAll(/\$\{([A-Z_]+):\?/g)) {
    const name = match[1] as string
    if (name !== 'UPSTREAM_URL') t.match(example, new RegExp(`^${name}=$`, 'm'), `${name} is listed, and empty`)
  }
  t.end()
})

t.test('only the gateway holds the key of Cerebras', (t) => {
  for (const [name, service] of services) {
    t.equal('CEREBRAS_API_KEY' in (service.environment ?? {}), name === 'gateway', name)
  }
  t.end()
})

t.test('every setting passed to a service of ours is one that it knows', (t) => {
  for (const [name, service] of services) {
    const settings = Object.keys(service.environment ?? {}).filter((setting) => setting.startsWith('LOOPGATE_'))
    if (service.build) t.ok(settings.length > 0, `${name} has settings`)
    for (const setting of settings) t.ok(Object.hasOwn(ENV_NAMES, setting), `${name}: ${setting}`)
  }
  for (const match of dockerfile.matchAll(/\b(LOOPGATE_[A-Z_]+)=/g)) {
    t.ok(Object.hasOwn(ENV_NAMES, match[1] as string), `Dockerfile: ${match[1]}`)
  }
  t.end()
})

t.test('the queue cannot lose a job to memory or to a restart, and the cache cannot fill the disk', (t) => {
  const queue = readText('deploy/redis/queue.conf')
  t.match(queue, /^maxmemory-policy noeviction$/m)
  t.match(queue, /^appendonly yes$/m)
  t.match(queue, /^appendfsync everysec$/m)
  t.ok(compose.services['redis-queue']?.volumes?.includes('redis-queue:/data'), 'its folder is a volume')
  const cache = readText('deploy/redis/cache.conf')
  t.match(cache, /^maxmemory-policy allkeys-lru$/m)
  t.match(cache, /^appendonly no$/m)
  t.end()
})

t.test('whatever listens tells its health', (t) => {
  for (const [name, service] of services) {
    if (name === 'runner') continue
    const stage = target(service.build?.target ?? '')
    t.ok(service.healthcheck ?? /^HEALTHCHECK /m.test(stage), name)
  }
  t.end()
})

t.test('the images start node without a shell, so that SIGTERM reaches it', (t) => {
  const built = services.flatMap(([, service]) => (service.build ? [service.build.target] : []))
  t.equal(built.length, 4)
  for (const name of built) {
    const init = name === 'sandbox-runner' ? '"tini", "--", ' : ''
    t.ok(target(name).includes(`\nENTRYPOINT [${init}"node", "services/${name}/src/server.ts"]\n`), name)
    t.notMatch(target(name), /^CMD /m, `${name} has nothing else to start`)
  }
  t.match(dockerfile, /^FROM \S+:24-bookworm-slim AS base$/m, 'one base image, by tag')
  t.end()
})
