'use strict'
// A candidate in its isolate, as a program or as a server of calls. What it prints, throws and answers is
// passed on as text: nothing of it is run or read here as code.
const { holdFrame, readFrame, writeFrame, bytes } = require('../javascript/channel.cjs')

const FOLDER = '/tmp/work/'
const WRAPPER = '(function (exports, require, module, __filename, __dirname) {'
const OUT_OF_MEMORY = /^Isolate was disposed during execution due to memory limit|^Array buffer allocation failed/
/** What a module's last line leaves behind: one that awaits for ever never gets there. */
const ENDED = 'loopgate: ended'
const AT_END = `globalThis[${JSON.stringify(ENDED)}] = true`
const BOUNDARY = '(<isolated-vm boundary>)'

/** Tells why it is about to end: c compile error, e exception while loading, m memory, x exit status. */
const done = (kind, text) => holdFrame('D', bytes(kind + text))

/** The lines of a stack that are the candidate's own. */
function stackOf(error) {
  if (!(error instanceof Error)) return `Uncaught ${typeof error === 'object' ? 'object' : String(error)}`
  const lines = String(error.stack).split('\n')
  const end = lines.findIndex((line) => line.includes(BOUNDARY))
  return (end < 0 ? lines : lines.slice(0, end))
    .filter((line) => !/^\s+at .*(loopgate:\d|\/opt\/loopgate\/|node:internal)/.test(line))
    .join('\n')
}

function fail(kind, error, isolate) {
  const message = error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${String(error)}`
  if (isolate.isDisposed || OUT_OF_MEMORY.test(error?.message ?? '')) done('m', message)
  else {
    done(kind, message.slice(0, 2000))
    writeFrame('e', bytes(`${stackOf(error)}\n`))
  }
  return 1
}

function textOf(files, path) {
  return files
    .get(path)
    ?.toString('utf8')
    .replace(/^\uFEFF/, '')
    .replace(/^#!/, '//')
}

/** The entry as a module or a script, whichever it parses as. @throws the error of the parser */
function compile({ isolate }, path, source, isServer) {
  const filename = FOLDER + path
  const module = () => ({ module: isolate.compileModuleSync(`${source}\n;${AT_END}`, { filename }) })
  const script = () =>
    isServer
      ? { script: isolate.compileScriptSync(source, { filename }) }
      : { body: isolate.compileScriptSync(`${WRAPPER}${source}\n})`, { filename, columnOffset: -WRAPPER.length }) }
  if (path.endsWith('.mjs')) return module()
  try {
    return script()
  } catch (error) {
    if (path.endsWith('.cjs')) throw error
    try {
      return module()
    } catch {
      throw error
    }
  }
}

/** Links a module with the files of the request. @throws Error for one that is none of them */
function link({ isolate, context }, module, path, files) {
  const known = new Map([[path, module]])
  const pathOf = new Map([[module, path]])
  module.instantiateSync(context, (specifier, referrer) => {
    const from = new URL(pathOf.get(referrer) ?? '', 'file:///')
    const named = /^\.{1,2}\//.test(specifier) ? new URL(specifier, from).pathname.slice(1) : ''
    // Files of TypeScript stand here without types and under the names of JavaScript.
    const target = [named.replace(/\.([mc]?)tsx?$/, '.$1js'), `${named}.js`].find((each) => files.has(each))
    const source = target === undefined ? undefined : textOf(files, target)
    if (source === undefined) throw new Error(`Cannot find module '${specifier}': it is none of the files`)
    const made = known.get(target) ?? isolate.compileModuleSync(source, { filename: FOLDER + target })
    known.set(target, made)
    pathOf.set(made, target)
    return made
  })
  return module
}

/** Begins the isolate's own side, and gives a function that calls one of what it offers. */
function begin({ ivm, enter }, files, isServer) {
  const host = new ivm.Callback((operation, text) => {
    if (operation === 'f') return textOf(files, text)
    writeFrame(operation === 'e' ? 'e' : 'o', bytes(String(text)))
    return undefined
  })
  const inside = enter.applySync(undefined, [host, isServer], { result: { reference: true } })
  return (name, ...args) => inside.applySync(undefined, [name, ...args])
}

/** Parses and runs the entry. Returns its module, if it is one, or the exit status of what went wrong. */
function load(place, { entry, mode }, files, inside) {
  const source = textOf(files, entry)
  let compiled
  try {
    if (source === undefined) throw new Error(`Cannot find module '${FOLDER}${entry}': it is none of the files`)
    compiled = compile(place, entry, source, mode === 'serve')
    if (compiled.module) link(place, compiled.module, entry, files)
  } catch (error) {
    return { failed: fail('c', error, place.isolate) }
  }
  try {
    if (compiled.module) {
      compiled.module.evaluateSync()
      if (place.context.global.getSync(ENDED) !== true) throw new Error('a top-level await never settles')
      place.context.global.deleteSync(ENDED)
    } else {
      inside('enter', entry)
      if (compiled.script) compiled.script.runSync(place.context)
      else inside('start', compiled.body.runSync(place.context, { reference: true }).derefInto())
    }
    return compiled
  } catch (error) {
    return { failed: fail('e', error, place.isolate) }
  }
}

function runProgram(place, init, files) {
  const { failed = 0 } = load(place, init, files, begin(place, files, false))
  if (failed === 0) done('x', '0')
  return failed
}

function serve(place, init, files) {
  const inside = begin(place, files, true)
  const { failed, module } = load(place, init, files, inside)
  if (failed !== undefined) return failed
  try {
    const found = init.names.map((name) => {
      const exported = module?.namespace.getSync(name, { reference: true })
      return inside('find', name, exported?.derefInto()) ? '1' : '0'
    })
    writeFrame('R', bytes(found.join('')))
    for (;;) {
      const { kind, payload } = readFrame()
      if (kind === 'K') return 0
      const sequence = payload.subarray(0, 4)
      let reply = inside('call', payload.toString('utf8', 4))
      if (reply === 'P') reply = inside('settle')
      writeFrame(reply[0], Buffer.concat([sequence, bytes(reply.slice(1))]))
    }
  } catch (error) {
    return fail('e', error, place.isolate)
  }
}

module.exports = { runProgram, serve }
