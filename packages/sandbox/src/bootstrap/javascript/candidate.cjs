'use strict'
// Runs a candidate in its sandbox, as a program or as a server of function calls.
// Nothing here is trusted by the runner: what the candidate does to this process it does to itself.
const { mkdirSync, writeFileSync, readFileSync } = require('node:fs')
const Module = require('node:module')
const vm = require('node:vm')
const { begin, readFrame, writeFrame, bytes, leave } = require('./channel.cjs')

const FOLDER = '/tmp/work/'
const WRAPPER = ['exports', 'require', 'module', '__filename', '__dirname']

/** Tells why the process is about to end: c compile error, e exception while loading, x exit status. */
function done(kind, text) {
  try {
    writeFrame('D', bytes(kind + text))
  } catch {
    // the runner is gone
  }
}

function writeFiles(paths) {
  for (const path of paths) {
    const { payload } = readFrame()
    if (path.includes('/')) mkdirSync(FOLDER + path.slice(0, path.lastIndexOf('/')), { recursive: true })
    writeFileSync(FOLDER + path, payload, { flag: 'wx' })
  }
}

function describe(error) {
  try {
    return (error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${String(error)}`).slice(0, 2000)
  } catch {
    return 'an exception that cannot be shown'
  }
}

function fail(kind, error) {
  done(kind, describe(error))
  let text
  try {
    text = error instanceof Error && typeof error.stack === 'string' ? error.stack : describe(error)
  } catch {
    text = describe(error)
  }
  const lines = text.split('\n').filter((line) => !line.startsWith('    at ') || line.includes(FOLDER))
  process.stderr.write(`${lines.join('\n').trimEnd()}\n`, () => leave(1))
}

const TYPESCRIPT = /\.([mc]?)tsx?$/

/** Files of TypeScript stand here without types and under the names of JavaScript; imports may name them as they were. */
function resolveTyped() {
  Module.registerHooks({
    resolve(specifier, context, next) {
      const isOwn = /^\.{1,2}\//.test(specifier)
      try {
        return next(isOwn ? specifier.replace(TYPESCRIPT, '.$1js') : specifier, context)
      } catch (error) {
        if (!isOwn || /\.\w+$/.test(specifier)) throw error
        return next(`${specifier}.js`, context)
      }
    },
  })
}

function parses(make) {
  try {
    make()
    return null
  } catch (error) {
    return error
  }
}

/** Whether the entry is a module or a script. A source that is neither ends the process. */
function kindOf(path, source, asFunctions) {
  const module = () => new vm.SourceTextModule(source, { identifier: path })
  if (path.endsWith('.mjs')) {
    const error = parses(module)
    return error ? { error } : { module: true }
  }
  const script = asFunctions
    ? () => new vm.Script(source, { filename: path })
    : () => vm.compileFunction(source, WRAPPER, { filename: path })
  const error = parses(script)
  if (!error) return { module: false }
  if (path.endsWith('.cjs') || parses(module)) return { error }
  return { module: true }
}

function runProgram(path, args) {
  process.argv = [process.argv[0], path, ...args]
  process.on('exit', (code) => done('x', String(code)))
  leaveAtOnce()
  Module.runMain()
}

/**
 * Once every listener has had its turn nobody looks at this process again: it need not be taken apart. Except
 * after an exception that nobody caught, which is printed later than that.
 */
function leaveAtOnce() {
  const { emit } = process
  let isBroken = false
  process.on('uncaughtExceptionMonitor', () => (isBroken = true))
  process.emit = function (name, ...rest) {
    const heard = emit.call(this, name, ...rest)
    if (name === 'exit' && !isBroken) leave(process.exitCode ?? rest[0])
    return heard
  }
}

/** Does what a first program would, so that one which finds this process waiting need not wait for it. */
function warmUp() {
  void process.stdout
  void process.stderr
  vm.compileFunction('', WRAPPER)
  void new vm.SourceTextModule('')
}

/** Loads the entry and finds the functions by name: declared at top level, or exported. */
async function load(path, source, asModule, names) {
  const found = new Map()
  if (asModule) {
    const exported = await import(path)
    for (const name of names) found.set(name, exported[name])
    return found
  }
  const module = new Module(path, null)
  module.filename = path
  module.paths = []
  const globals = {
    require: Module.createRequire(path),
    module,
    exports: module.exports,
    __filename: path,
    __dirname: FOLDER,
  }
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false })
  }
  const importModuleDynamically = vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER
  new vm.Script(source, { filename: path, importModuleDynamically }).runInThisContext()
  for (const name of names) {
    const declared = new vm.Script(`typeof ${name} === 'undefined' ? undefined : ${name}`).runInThisContext()
    found.set(name, declared ?? module.exports?.[name])
  }
  return found
}

function namesOf(error) {
  const names = []
  for (let kind = error; kind && names.length < 20; kind = Object.getPrototypeOf(kind)) {
    const name = kind.constructor?.name
    if (typeof name === 'string' && !names.includes(name)) names.push(name.slice(0, 100))
  }
  return names
}

const asText = (value, limit) => (typeof value === 'string' ? value.slice(0, limit) : '')

function refusal(error, encode) {
  if (!(error instanceof Error)) {
    try {
      return encode({ thrown: error })
    } catch {
      return encode({ names: [], name: 'thrown', message: 'a value that is not plain data' })
    }
  }
  let name = 'Error'
  let message = ''
  try {
    name = asText(error.name, 100)
    message = asText(error.message, 2000)
  } catch {
    // what cannot be read is left out
  }
  return encode({ names: namesOf(error), name, message })
}

async function serve(functions, names) {
  const { encode, decode } = require('./codec.cjs')
  const { isPromise } = require('node:util').types
  let stranded = null
  process.on('beforeExit', () => stranded?.())
  writeFrame('R', bytes(names.map((name) => (typeof functions.get(name) === 'function' ? '1' : '0')).join('')))
  for (;;) {
    const { payload } = readFrame()
    const sequence = payload.subarray(0, 4)
    const [name, args] = decode(payload.toString('utf8', 4))
    let promised = false
    const reply = (kind, text) => writeFrame(kind, Buffer.concat([sequence, bytes(promised ? 'p' : 'v'), bytes(text)]))
    let value
    try {
      value = functions.get(name)(...args)
      if (isPromise(value)) {
        promised = true
        const never = new Promise((_, reject) => {
          stranded = () => reject(new Error('the promise never settled'))
        })
        value = await Promise.race([value, never])
      }
    } catch (error) {
      reply('E', refusal(error, encode))
      continue
    } finally {
      stranded = null
    }
    let text
    try {
      text = encode(value)
    } catch (error) {
      writeFrame('N', Buffer.concat([sequence, bytes(describe(error).replace(/^(Error|NotPlain): /, ''))]))
      continue
    }
    reply('A', text)
  }
}

async function main() {
  warmUp()
  const init = begin()
  writeFiles(init.files)
  process.chdir(FOLDER)
  if (init.isTyped) resolveTyped()
  const path = FOLDER + init.entry
  writeFrame('S')
  const unread = parses(() => readFileSync(path))
  if (unread) return fail('c', unread)
  const source = readFileSync(path, 'utf8')
    .replace(/^\uFEFF/, '')
    .replace(/^#!/, '//')
  const kind = kindOf(path, source, init.mode === 'serve')
  if (kind.error) return fail('c', kind.error)
  if (init.mode !== 'serve') return runProgram(path, init.args)
  process.on('exit', (code) => done('x', String(code)))
  let functions
  try {
    functions = await load(path, source, kind.module, init.names)
  } catch (error) {
    return fail('e', error)
  }
  await serve(functions, init.names)
}

void main()
