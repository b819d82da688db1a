// From a bare `git clone` to the pinned Node with everything installed. Plain JavaScript without
// dependencies, since it runs under whatever Node >= 20 the user has. What it says goes to stderr,
// so that commands with --json keep stdout for their answer.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** Pinned package manager and interpreter; the interpreter's version is that of the catalog in pnpm-workspace.yaml. */
const PNPM = 'pnpm@12.21.0'
const NODE_MAJOR = 24

/** How soon it is noticed that the npm that started us has died. */
const PARENT_CHECK_MS = 500

const say = (text) => process.stderr.write(`loopgate: ${text}\n`)

/** Ends the process with one clear sentence instead of a stack. */
export function fail(text) {
  say(text)
  process.exit(1)
}

/** Installs dependencies when the lockfile or a manifest has changed since the last time. */
export function ensureInstalled() {
  const major = Number(process.versions.node.split('.')[0])
  if (major < 20) fail(`Node 20 or newer is needed, this is ${process.versions.node}. Please install a newer Node.`)
  const marker = join(ROOT, '.loopgate', 'installed')
  const wanted = fingerprint()
  const installed = existsSync(marker) ? readFileSync(marker, 'utf8') : ''
  if (installed === wanted && existsSync(join(ROOT, 'node_modules', '.bin'))) return
  say('installing dependencies (the first time takes about half a minute)')
  const result = spawnSync('npx', ['-y', PNPM, 'install', '--frozen-lockfile', '--reporter=append-only'], {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, CI: 'true' },
  })
  if (result.status !== 0) {
    fail('the dependencies could not be installed: see the lines above. Is the npm registry reachable?')
  }
  mkdirSync(dirname(marker), { recursive: true })
  writeFileSync(marker, wanted)
}

function fingerprint() {
  const hash = createHash('sha256').update(process.platform + process.arch)
  const manifests = ['packages', 'services'].flatMap((folder) =>
    readdirSync(join(ROOT, folder)).map((name) => join(folder, name, 'package.json')),
  )
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', 'scripts/package.json', ...manifests]) {
    if (existsSync(join(ROOT, file))) hash.update(readFileSync(join(ROOT, file)))
  }
  return hash.digest('hex')
}

/** The pinned Node, or the user's own where it is new enough and the pin has no build for the platform. */
function pinnedNode() {
  const pinned = join(ROOT, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node')
  if (existsSync(pinned)) return pinned
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR) return process.execPath
  return fail(
    `Loopgate runs on Node ${NODE_MAJOR}, which is not packaged for ${process.platform}-${process.arch} here. Please install Node ${NODE_MAJOR} and run the command with it.`,
  )
}

/** Environment of every child: the project's programs first on PATH. */
function childEnv(extra = {}) {
  const folders = [
    dirname(pinnedNode()),
    join(ROOT, 'node_modules', '.bin'),
    join(ROOT, '.loopgate', 'toolchain', 'bin'),
  ]
  return { ...process.env, PATH: [...folders, process.env.PATH ?? ''].join(delimiter), ...extra }
}

/**
 * Runs a TypeScript entry of this repository under the pinned Node and ends as it ends. Signals are
 * passed on; a terminal sends Ctrl-C to the whole group anyway, so the child decides how to stop.
 */
export function runPinned(script, args = process.argv.slice(2), env = {}) {
  const child = spawn(pinnedNode(), [join(ROOT, script), ...args], { stdio: 'inherit', env: childEnv(env), cwd: ROOT })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    })
  }
  // npm runs us through a shell that passes no signals on: when it dies, we are the ones to notice.
  const parent = process.ppid
  setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), PARENT_CHECK_MS).unref()
  child.on('exit', (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : (code ?? 1)))
}
