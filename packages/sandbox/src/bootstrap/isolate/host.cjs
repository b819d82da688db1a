'use strict'
// The process around isolates: one execution after another of one tenant, each in an isolate of its own.
// It reads and writes synchronously on descriptor 3. It is trusted with nothing but the verdict's nonce, and
// that only where no candidate is ever run.
const { readFileSync } = require('node:fs')
const { basename, join } = require('node:path')
const { begin, readFrame, writeFrame, bytes } = require('../javascript/channel.cjs')
const { judge } = require('./judge.cjs')
const { runProgram, serve } = require('./run.cjs')

const MIB = 1024 * 1024
const INSIDE = ['brands', 'console', 'assert', 'modules', 'candidate', 'check']

const [, , addonPath] = process.argv
const { ivm } = require(addonPath)

/**
 * A module as a function that V8 compiles at once, with the function that it exports: brackets say so. What is
 * compiled before the script runs is what its cache holds, and saves a fifth of an execution.
 */
function eager(source) {
  const head = 'module.exports = function '
  const exported = source.includes(head) ? `${source.replace(head, 'module.exports = (function ')})` : source
  return `(function (module, require) {${exported}\n})`
}

/** One script with every module that may run inside, which evaluates to a function of the name of one. */
function bundle() {
  const paths = INSIDE.map((name) => join(__dirname, 'inside', `${name}.cjs`))
  paths.push(join(__dirname, '..', 'javascript', 'codec.cjs'))
  const entries = paths.map((path) => `'${basename(path)}': ${eager(readFileSync(path, 'utf8'))}`)
  return `(() => {
    const sources = {${entries.join(',')}}, loaded = {}
    const require = (id) => {
      const name = id === 'node:util' ? 'brands.cjs' : id.slice(id.lastIndexOf('/') + 1)
      if (!loaded[name]) {
        loaded[name] = { exports: {} }
        sources[name](loaded[name], require)
      }
      return loaded[name].exports
    }
    return (name, host, init) => require(name + '.cjs')(host, init)
  })()`
}
const BUNDLE = bundle()
let cache

function newIsolate(memoryBytes) {
  const isolate = new ivm.Isolate({ memoryLimit: Math.max(8, Math.floor(memoryBytes / MIB)) })
  const context = isolate.createContextSync()
  const options = { filename: 'loopgate', ...(cache ? { cachedData: cache } : { produceCachedData: true }) }
  const script = isolate.compileScriptSync(BUNDLE, options)
  cache ??= script.cachedData
  const enter = script.runSync(context, { reference: true, release: true })
  return { isolate, context, enter, memoryBytes }
}

/** Made while nobody waits; it has seen nothing of anyone's. */
let spare = null
function takeIsolate(memoryBytes) {
  const taken = spare?.memoryBytes === memoryBytes ? spare : newIsolate(memoryBytes)
  if (taken !== spare) spare?.isolate.dispose()
  spare = null
  return taken
}

function boot() {
  const { memoryBytes } = begin()
  spare = newIsolate(memoryBytes)
  writeFrame('B')
}

function execute() {
  const { kind, payload } = readFrame()
  if (kind !== 'I') return // what was sent to an execution that had ended by itself
  const init = JSON.parse(payload.toString('utf8'))
  const files = new Map(init.files.map((path) => [path, readFrame().payload]))
  const before = process.cpuUsage()
  // An isolate has one limit, that of its heap.
  const [memoryBytes] = init.rlimits.AS
  const made = takeIsolate(memoryBytes)
  writeFrame('S')
  const run = init.mode === 'serve' ? serve : init.mode === 'program' ? runProgram : judge
  const exitCode = run({ ivm, ...made }, init, files)
  if (!made.isolate.isDisposed) made.isolate.dispose()
  const { user, system } = process.cpuUsage(before)
  const facts = { exitCode, cpuMs: (user + system) / 1000, rssBytes: process.memoryUsage.rss() }
  writeFrame('Z', bytes(JSON.stringify(facts)))
  spare = newIsolate(memoryBytes)
}

function turn() {
  execute()
  // Between two executions the loop turns once, so that what V8 has put off is done.
  setImmediate(turn)
}

boot()
turn()
