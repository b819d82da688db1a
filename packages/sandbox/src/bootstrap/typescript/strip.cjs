'use strict'
// Takes the types off sources of one tenant, which are data here: they are parsed and never run.
const { stripTypeScriptTypes } = require('node:module')
const { begin, readFrame, writeFrame, bytes } = require('../javascript/channel.cjs')

const FOLDER = '/tmp/work/'
const MESSAGE_CHARACTERS = 4000

/** Only what types alone cannot be taken off (enums, namespaces, parameter properties) is rewritten: that moves lines. */
function strip(source, sourceUrl) {
  try {
    return stripTypeScriptTypes(source, { sourceUrl })
  } catch (error) {
    if (error.code !== 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') throw error
    return stripTypeScriptTypes(source, { mode: 'transform', sourceUrl })
  }
}

/** "path:line", the line itself and a mark below, and the message. */
function describe(path, error) {
  const [place = ''] = String(error.stack).split('\n\n')
  const shown = /^[^\n]*:\d+\n/.test(place) ? `${place}\n\n` : `${FOLDER}${path}\n`
  return `${shown}SyntaxError: ${error.message}`.slice(0, MESSAGE_CHARACTERS)
}

begin()
strip('const warm: number = 1', 'warm')
writeFrame('B')
for (;;) {
  const path = readFrame().payload.toString('utf8')
  const source = readFrame().payload.toString('utf8')
  try {
    writeFrame('J', bytes(strip(source, FOLDER + path)))
  } catch (error) {
    writeFrame('X', bytes(describe(path, error)))
  }
}
