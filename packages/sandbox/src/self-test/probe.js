'use strict'
const fs = require('node:fs')
const net = require('node:net')

const [port, ...hidden] = process.argv.slice(2)

function attempt(action) {
  try {
    action()
    return 'allowed'
  } catch (error) {
    return error.code
  }
}

const descriptors = fs
  .readdirSync('/proc/self/fd')
  .map(Number)
  .filter((descriptor) => {
    // What Node opened for itself is marked close-on-exec; an inherited descriptor is not.
    try {
      const flags = /flags:\s*([0-7]+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'))
      return descriptor <= 3 || (Number.parseInt(flags[1], 8) & 0o2000000) === 0
    } catch {
      return false
    }
  })
const status = new Map(
  fs
    .readFileSync('/proc/self/status', 'utf8')
    .split('\n')
    .map((line) => line.split(/:\s+/)),
)
const openAndClose = (path, flags) => fs.closeSync(fs.openSync(path, flags))
const report = {
  initEnvironment: fs.readFileSync('/proc/1/environ', 'utf8'),
  environment: Object.keys(process.env).sort(),
  descriptors: descriptors.sort((a, b) => a - b),
  corePattern: attempt(() => openAndClose('/proc/sys/kernel/core_pattern', 'r+')),
  dropCaches: attempt(() => openAndClose('/proc/sys/vm/drop_caches', 'r+')),
  rootWrite: attempt(() => openAndClose('/probe', 'w')),
  processes: fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b),
  visible: hidden.filter((path) => fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined),
  capabilities: status.get('CapEff') ?? '?',
  seccomp: status.get('Seccomp') ?? '?',
  noNewPrivileges: status.get('NoNewPrivs') ?? '?',
}
const connection = net.connect({ host: '127.0.0.1', port: Number(port), timeout: 2000 })
const finish = (network) => {
  connection.destroy()
  console.log(JSON.stringify({ ...report, network }))
}
connection.once('connect', () => finish('allowed'))
connection.once('error', (error) => finish(error.code))
connection.once('timeout', () => finish('timeout'))
