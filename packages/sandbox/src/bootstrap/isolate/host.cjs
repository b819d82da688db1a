'use strict'
// The process around isolates: one execution after another of one tenant, each in an isolate of its own.
// It reads and writes synchronously on descriptor 3. It is trusted with nothing but the verdict's nonce, and
// that only where no candidate is ever run.
const { begin, readFrame, writeFrame, bytes } = require('../javascript/channel.cjs')
const { bundle } = require('./bundle.cjs')
const { judge } = require('./judge.cjs')
const { runProgram, serve } = require('./run.cjs')

const MIB = 1024 * 1024

const [, , addonPath] = process.argv
const { ivm } = require(addonPath)

/** What is run first inside each isolate; of the kind that this process is for. */
let first

function newIsolate(memoryBytes) {
  const isolate = new ivm.Isolate({ memoryLimit: Math.max(8, Math.floor(memoryBytes / MIB)) })
  const context = isolate.createContextSync()
  const script = isolate.compileScriptSync(first.source, first.options)
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

/** Of this process. It grows slowly, and each look at procfs takes 20 us: one in so many executions is enough. */
const RSS_EVERY = 16
let executed = 0
let rssBytes = 0
function grownTo() {
  if (executed % RSS_EVERY === 0) rssBytes = process.memoryUsage.rss()
  executed += 1
  return rssBytes
}

function boot() {
  const { memoryBytes, kind } = begin()
  first = bundle(ivm, kind)
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
  const run = init.mode === 'serve' ? serve : init.mode === 'program' ? runProgram : judge
  const exitCode = run({ ivm, ...made }, init, files)
  const { user, system } = process.cpuUsage(before)
  const facts = { exitCode, cpuMs: (user + system) / 1000, rssBytes: grownTo() }
  writeFrame('Z', bytes(JSON.stringify(facts)))
  if (!made.isolate.isDisposed) made.isolate.dispose()
  spare = newIsolate(memoryBytes)
}

function turn() {
  execute()
  // Between two executions the loop turns once, so that what V8 has put off is done.
  setImmediate(turn)
}

boot()
turn()
