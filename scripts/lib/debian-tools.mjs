// Brings programs that npm does not carry (Redis, bubblewrap, Python): from PATH if they are there,
// else from Debian packages unpacked into .loopgate/toolchain, without root and without a container.
import { execFileSync } from 'node:child_process'
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { arch } from 'node:process'
import { delimiter, join } from 'node:path'

/** What each program needs beyond Debian's base system. */
const TOOLS = {
  'redis-server': ['redis-server', 'redis-tools', 'libjemalloc2', 'liblzf1', 'libatomic1', 'libssl3'],
  bwrap: ['bubblewrap', 'libcap2', 'libselinux1'],
  python3: [
    'python3.11',
    'python3.11-minimal',
    'libpython3.11-minimal',
    'libpython3.11-stdlib',
    'libexpat1',
    'zlib1g',
    'libssl3',
    'libffi8',
  ],
  nginx: ['nginx', 'nginx-common', 'libpcre2-8-0', 'libcrypt1'],
  wrk: ['wrk', 'libluajit-5.1-2', 'libluajit-5.1-common'],
  prometheus: ['prometheus'],
  promtool: ['prometheus'],
  chromium: [],
  runsc: ['runsc'],
}
/** Where the program stands inside its package, if not in usr/bin under its own name. */
const PROGRAM = { python3: 'usr/bin/python3.11', nginx: 'usr/sbin/nginx' }

const LIBRARY_FOLDERS = { x64: 'usr/lib/x86_64-linux-gnu', arm64: 'usr/lib/aarch64-linux-gnu' }

/**
 * The path of a program, found or brought. Python is wanted as a real interpreter of the system,
 * never as a version manager's shim, so it is looked for in the system's folders alone.
 * @throws Error that says what to install by hand
 */
export function ensureTool(name, root, log = () => {}) {
  const found = name === 'python3' ? findIn(['/usr/bin', '/usr/local/bin'], name) : findOnPath(name)
  if (found) return found
  const toolchain = join(root, '.loopgate', 'toolchain')
  const program = join(toolchain, PROGRAM[name] ?? join('usr/bin', name))
  // The script is written last: without it an earlier set-up did not get to its end.
  if (!existsSync(program) || !existsSync(join(toolchain, 'bin', name))) {
    if (process.platform !== 'linux' || !findOnPath('apt-get') || !findOnPath('dpkg')) throw new Error(byHand(name))
    log(`bringing ${name} from Debian packages (no root needed)`)
    unpack(TOOLS[name], toolchain, name)
  }
  const wrapper = wrap(name, program, toolchain)
  return name === 'python3' ? program : wrapper
}

/** Writes the script that runs a brought program with its libraries; anew where the clone has been moved. */
function wrap(name, program, toolchain) {
  const wrapper = join(toolchain, 'bin', name)
  const libraries = ['lib', 'usr/lib'].map((folder) =>
    join(toolchain, LIBRARY_FOLDERS[arch].replace(/^usr\/lib/, folder)),
  )
  const script = `#!/bin/sh\nexport LD_LIBRARY_PATH="${libraries.join(':')}"\nexec "${program}" "$@"\n`
  if (existsSync(wrapper) && readFileSync(wrapper, 'utf8') === script) return wrapper
  mkdirSync(join(toolchain, 'bin'), { recursive: true })
  writeFileSync(wrapper, script)
  chmodSync(wrapper, 0o755)
  return wrapper
}

function unpack(packages, toolchain, name) {
  mkdirSync(toolchain, { recursive: true })
  const folder = mkdtempSync(join(toolchain, 'download-'))
  try {
    download(packages, folder, toolchain)
    for (const file of readdirSync(folder).filter((entry) => entry.endsWith('.deb'))) {
      execFileSync('dpkg', ['-x', join(folder, file), toolchain])
    }
  } catch (cause) {
    throw new Error(`${name} could not be fetched from Debian packages. ${byHand(name)}`, { cause })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function download(packages, folder, toolchain) {
  const run = (args) => execFileSync('apt-get', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  try {
    run(['download', ...packages])
  } catch {
    // A fresh image has no package lists: fetch them into our own folder, since the system's needs root.
    const state = join(toolchain, 'apt')
    for (const part of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(state, part), { recursive: true })
    const own = [
      '-o',
      `Dir::State::lists=${join(state, 'lists')}`,
      '-o',
      `Dir::Cache=${join(state, 'cache')}`,
      '-o',
      'APT::Sandbox::User=',
    ]
    run([...own, 'update'])
    run([...own, 'download', ...packages])
  }
}

function findOnPath(name) {
  return findIn((process.env.PATH ?? '').split(delimiter), name)
}

function findIn(folders, name) {
  for (const folder of folders) {
    try {
      const path = join(folder, name)
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // not here
    }
  }
  return undefined
}

function byHand(name) {
  const hint = {
    'redis-server': 'Redis 7 or newer',
    bwrap: 'bubblewrap (Linux only)',
    python3: 'Python 3.11 or newer in /usr/bin',
  }
  return `Please install ${hint[name] ?? name} so that "${name}" is found on PATH, then run the command again.`
}
